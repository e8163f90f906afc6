package load

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A server that refuses is no fast one.
func TestWholeAnswersOnly(t *testing.T) {
	for answer, want := range map[string]string{"404": "it answers", "chunked": "without a length", "": ""} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch answer {
			case "404":
				w.WriteHeader(404)
			case "chunked":
				w.(http.Flusher).Flush()
			}
			fmt.Fprint(w, "image")
		}))
		host := s.Listener.Addr().String()
		result, err := Run(t.Context(), Spec{Address: host, Request: Image("/"), Connections: 1, Length: 20 * time.Millisecond})
		s.Close()
		if want == "" && (err != nil || result.PerSecond() <= 0 || result.P99 <= 0) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %+v, %v", answer, result, err)
		}
	}
}

func TestEachRequestIsAnotherClients(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !bytes.HasPrefix(body, []byte("wpTextbox1=")) || r.Method != http.MethodPost {
			t.Errorf("%s %q, %v", r.Method, body, err)
		}
		mu.Lock()
		defer mu.Unlock()
		seen[strings.Join(r.Header["X-Forwarded-For"], "|")]++
		fmt.Fprint(w, "saved")
	}))
	defer s.Close()
	host := s.Listener.Addr().String()
	spec := Spec{Address: host, Request: Edit("/"), Clients: 1_000_000, First: 999_999, Connections: 3, Length: 50 * time.Millisecond}
	result, err := Run(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != result.Answers || seen["151.199.199.199"] != 1 || seen["151.100.100.100"] != 1 {
		t.Errorf("%d answers, %d clients: %v", result.Answers, len(seen), seen)
	}
}

func TestHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Header.Get("Sec-Fetch-Dest") != "document" || r.Host != "wiki.example" {
			t.Errorf("%s for %s: %v", r.Proto, r.Host, r.Header)
		}
		if r.URL.Path == "/none" {
			w.WriteHeader(404)
		}
		fmt.Fprint(w, strings.Repeat("words", 20_000))
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	spec := Spec{Address: s.Listener.Addr().String(), Request: Page("/"), CA: string(authority), Connections: 2, Length: 50 * time.Millisecond}
	if result, err := Run(t.Context(), spec); err != nil || result.Answers < 2 {
		t.Errorf("%+v, %v", result, err)
	}
	spec.Request = Page("/none")
	if _, err := Run(t.Context(), spec); err == nil || !strings.Contains(err.Error(), `it answers "404"`) {
		t.Error(err)
	}
	spec.CA = "none"
	if _, err := Run(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Error(err)
	}
}
