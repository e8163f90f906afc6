package edgetest

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Browser is what a page's own fetch sends, with what a reader's browser adds.
func Browser(dest, who string) http.Header {
	return http.Header{
		"Sec-Fetch-Dest": {dest}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-origin"},
		"Cookie": {"session=" + who}, "Authorization": {"Bearer " + who}, "Referer": {"http://wiki/" + who}, "User-Agent": {who},
		"Accept": {who + "/*"}, "Accept-Language": {who}, "Accept-Encoding": {"gzip"}, "X-Forwarded-For": {"198.51.100.7"},
		"If-None-Match": {`"` + who + `"`}, "Sec-Ch-Ua": {who}, "Range": {who + "=0-1"}, "Traceparent": {who}, "X-" + who: {"1"},
	}
}

// JSONTool is a tool's server with an answer that tries everything.
func JSONTool(t testing.TB) *Backend {
	return NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Set-Cookie", "id=1")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Content-Security-Policy", "default-src *")
		h.Set("Etag", `"1"`)
		_, _ = io.WriteString(w, `{"a":1}`)
	})
}

// WriteTools puts a file of tools in place as careful editors do.
func WriteTools(t testing.TB, dir string, entries ...string) {
	t.Helper()
	ReplaceFile(t, filepath.Join(dir, "tools.json"), "["+strings.Join(entries, ",\n")+"]\n")
}

// ReplaceFile changes a file at once, as [WriteTools] does.
func ReplaceFile(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}
