package edgetest

import (
	"bytes"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// SearchTraces looks for addresses in all logs, metrics and answers of the admin API.
func (e *Edge) SearchTraces(t testing.TB, addrs ...netip.Addr) {
	t.Helper()
	for name, data := range e.Traces(t) {
		WantNone(t, name, data, addrs...)
	}
}

// Traces returns the files of the edge's directory, its keys among them, and what the admin API tells.
func (e *Edge) Traces(t testing.TB) map[string][]byte {
	t.Helper()
	traces := make(map[string][]byte)
	for _, path := range []string{
		"/config/", "/metrics", "/wikiveil/keys", "/reverse_proxy/upstreams", "/pki/ca/local", "/pki/ca/local/certificates",
		"/debug/vars", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/no/such/path",
	} {
		resp, body := Send(t, http.DefaultClient, "GET", "http://"+e.Admin+path, nil)
		var head bytes.Buffer
		resp.Header.Write(&head)
		traces["admin API, "+path] = append(head.Bytes(), body...)
	}
	err := filepath.Walk(e.Dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		traces[strings.TrimPrefix(path, e.Dir)] = append([]byte(path+"\n"), data...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(traces["admin API, /metrics"], []byte("wikiveil_masked_requests_total")) {
		t.Error("the admin API's metrics don't have ours")
	}
	return traces
}

// WantNone fails where one of the addresses is in data.
func WantNone(t testing.TB, where string, data []byte, addrs ...netip.Addr) {
	t.Helper()
	h := NewHaystack(data)
	for _, addr := range addrs {
		if found, ok := h.Find(addr); ok {
			t.Errorf("%s: the address %s is there: …%q…", where, addr, found)
		}
	}
}
