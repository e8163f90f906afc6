package anonproxy

import (
	"io"
	"net/http"
	"testing"
)

// What a tool has sent reaches the reader while the tool is slow with the rest, though it fits into every buffer.
func TestPiecesOfASlowResponseDontWait(t *testing.T) {
	for name, length := range map[string]string{"of known length": "10", "of unknown length": ""} {
		t.Run(name, func(t *testing.T) {
			rest := make(chan struct{})
			b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				if length != "" {
					w.Header().Set("Content-Length", length)
				}
				_, _ = io.WriteString(w, "first")
				_ = http.NewResponseController(w).Flush()
				<-rest
				_, _ = io.WriteString(w, "after")
			})
			e := newEdge(t, Config{}, tool("maps", b.URL))
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			resp, err := client.Get(e.URL + "/.tools/maps/x")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			piece := make([]byte, 5)
			if _, err := io.ReadFull(resp.Body, piece); err != nil || string(piece) != "first" { // or it waits for ever
				t.Errorf("got %q, %v", piece, err)
			}
			close(rest)
			if all, err := io.ReadAll(resp.Body); err != nil || string(all) != "after" {
				t.Errorf("got %q, %v", all, err)
			}
		})
	}
}
