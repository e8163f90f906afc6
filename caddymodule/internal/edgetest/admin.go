package edgetest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/testutil"
)

// JSON is an object for the admin API.
type JSON = map[string]any

// Post sends a JSON body to the admin API.
func (e *Edge) Post(t testing.TB, path string, body any) (int, string) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+e.Admin+path, "application/json", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// Metrics returns all series that the edge exports, by name and labels.
func (e *Edge) Metrics(t testing.TB) map[string]float64 {
	t.Helper()
	_, body := Send(t, From(t, "127.0.0.1"), http.MethodGet, "http://"+e.Admin+"/metrics", nil)
	series := make(map[string]float64)
	for line := range strings.Lines(body) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		var value float64
		if json.Unmarshal([]byte(text), &value) == nil {
			series[name] = value
		}
	}
	return series
}

// Metric returns the value of a series as text, empty if there is none.
func (e *Edge) Metric(t testing.TB, series string) string {
	t.Helper()
	_, body := Send(t, http.DefaultClient, "GET", "http://"+e.Admin+"/metrics", nil)
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			return value
		}
	}
	return ""
}

// KeyRing is what the admin API says of the key ring.
type KeyRing struct {
	Epochs []struct {
		ID, State string
		Destroyed *time.Time
	}
}

// Keys asks the admin API about the key ring.
func (e *Edge) Keys(t testing.TB, method, path string) (int, KeyRing, string) {
	t.Helper()
	resp, body := Send(t, http.DefaultClient, method, "http://"+e.Admin+path, nil)
	var list KeyRing
	if resp.StatusCode == 200 {
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	}
	return resp.StatusCode, list, body
}

// Rotate starts a new epoch, however recent the last one is, and waits until it is in use.
func (e *Edge) Rotate(t testing.TB) KeyRing {
	t.Helper()
	status, body := e.Post(t, "/wikiveil/keys/rotate", JSON{"force": true})
	if status != 200 {
		t.Fatalf("rotating: %d %s", status, body)
	}
	var planned KeyRing
	if err := json.Unmarshal([]byte(body), &planned); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	var list KeyRing
	testutil.Eventually(t, "the new epoch", func() bool {
		_, list, _ = e.Keys(t, "GET", "/wikiveil/keys")
		return list.Epochs[0].State == "current" && list.Epochs[0].ID == planned.Epochs[0].ID
	})
	return list
}
