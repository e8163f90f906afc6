package anonproxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

var pseudonymKey = bytes.Repeat([]byte{7}, 32)

func TestPseudonym(t *testing.T) {
	maps, other := &noticeboard.Tool{Name: "maps", Origin: "https://maps.example.org"}, &noticeboard.Tool{Name: "other", Origin: "https://maps.example.org"}
	moved := &noticeboard.Tool{Name: "maps", Origin: "https://other.example.org"}
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const alice = "2001:2f::a"
	first := Pseudonym(pseudonymKey, noon, maps, alice)
	// From `printf '2026-11-22\0maps\0https://maps.example.org\0002001:2f::a' | openssl dgst -sha256 -hmac …`
	// with 32 bytes of 7, cut to 16 bytes, in base64url.
	if want := "IA7G9TV0uYDaDVp0xyrURg"; first != want {
		t.Errorf("got %q, want %q", first, want)
	}
	if !pseudonymForm.MatchString(first) || len(first) != 22 {
		t.Errorf("form of %q", first)
	}
	for _, at := range []time.Time{
		time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 22, 23, 59, 59, 0, time.UTC),
		time.Date(2026, 11, 23, 5, 0, 0, 0, time.FixedZone("east", 6*3600)),
	} {
		if got := Pseudonym(pseudonymKey, at, maps, alice); got != first {
			t.Errorf("at %v it is another", at)
		}
	}
	for name, got := range map[string]string{
		"next day":      Pseudonym(pseudonymKey, noon.Add(12*time.Hour), maps, alice),
		"another tool":  Pseudonym(pseudonymKey, noon, other, alice),
		"moved tool":    Pseudonym(pseudonymKey, noon, moved, alice),
		"another":       Pseudonym(pseudonymKey, noon, maps, "2001:2f::b"),
		"another epoch": Pseudonym(bytes.Repeat([]byte{8}, 32), noon, maps, alice),
	} {
		if got == first {
			t.Errorf("%s: the same", name)
		}
	}
}

// named is a config that gives pseudonyms.
func named(cfg Config) Config {
	cfg.Reader = masksOf
	cfg.Pseudonym = func(tool *noticeboard.Tool, reader Reader, now time.Time) string {
		if reader.Client == "" {
			return ""
		}
		return Pseudonym(pseudonymKey, now, tool, reader.Client)
	}
	return cfg
}

// recorded is a tool that keeps the very bytes of each request.
func recorded(t *testing.T) (origin string, requests func() []string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []string
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				var raw bytes.Buffer
				reader := bufio.NewReader(io.TeeReader(conn, &raw))
				for {
					r, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					mu.Lock()
					got = append(got, raw.String())
					mu.Unlock()
					raw.Reset()
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: max-age=600\r\nContent-Length: 1\r\n\r\n"+map[string]string{"GET": "x"}[r.Method])
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return "http://" + listener.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, got...)
	}
}

func TestPseudonymIsSent(t *testing.T) {
	withAndWithoutCache(t, func(t *testing.T, cfg Config) {
		origin, requests := recorded(t)
		declared, plain := tool("maps", origin), tool("plain", origin)
		declared.Pseudonym = true
		e := newEdge(t, named(cfg), declared, plain)
		t.Cleanup(func() { // before the tool's, which waits for its connections
			for _, up := range e.proxy.upstreams() {
				up.transport.Close()
			}
		})
		for i := range 2 {
			for _, who := range []string{"alice", "bob"} {
				a := e.do(t, "GET", "/.tools/maps/x", "empty", asking(who), func(r *http.Request) { r.Header.Set(PseudonymHeader, "forged-by-the-page-itself") })
				if a.status != 200 || !strings.Contains(a.header.Get("Cache-Control"), "private") && a.header.Get("Cache-Control") != "no-store" {
					t.Errorf("request %d of %s: %d, Cache-Control %q", i, who, a.status, a.header.Get("Cache-Control"))
				}
			}
		}
		sent := requests()
		if len(sent) != 4 {
			t.Fatalf("the tool got %d requests: want one for each reader's request", len(sent))
		}
		if sent[0] != sent[2] || sent[1] != sent[3] || sent[0] == sent[1] {
			t.Errorf("requests are to differ by who asks:\n%s", strings.Join(sent, "\n"))
		}
		line := func(request string) string {
			_, rest, _ := strings.Cut(request, PseudonymHeader+": ")
			value, _, _ := strings.Cut(rest, "\r\n")
			return value
		}
		for _, request := range sent {
			if !pseudonymForm.MatchString(line(request)) || strings.Contains(request, "forged") || strings.Count(request, PseudonymHeader) != 1 {
				t.Errorf("request %q", request)
			}
			if strings.Contains(request, "alice") || strings.Contains(request, "bob") {
				t.Errorf("a mask is sent: %q", request)
			}
		}
		// Without the declaration nothing of it shows, and two masksOf are one.
		bare := strings.Replace(sent[0], PseudonymHeader+": "+line(sent[0])+"\r\n", "", 1)
		for _, who := range []string{"alice", "bob"} {
			e.do(t, "HEAD", "/.tools/plain/x", "empty", asking(who))
		}
		for _, request := range requests()[4:] {
			if request != strings.Replace(bare, "GET", "HEAD", 1) {
				t.Errorf("got  %q\nwant %q", request, bare)
			}
		}
		if n := len(requests()); n != 6 {
			t.Errorf("%d requests", n)
		}
	})
}

// A tool is never asked without the pseudonym that it is declared to get.
func TestNoPseudonymNoRequest(t *testing.T) {
	b := newBackend(t, tooltest.Answers("text/plain", "x"))
	declared := tool("maps", b.URL)
	declared.Pseudonym = true
	for name, cfg := range map[string]Config{
		"nobody makes one": {},
		"none is made":     named(Config{}), // the reader has no mask
		"malformed":        {Pseudonym: func(*noticeboard.Tool, Reader, time.Time) string { return "0123456789abcdef\r\nCookie: a=b" }},
		"short":            {Pseudonym: func(*noticeboard.Tool, Reader, time.Time) string { return "0" }},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Cache = newCache(t, cache.Config{})
			e := newEdge(t, cfg, declared)
			for _, method := range []string{"GET", "HEAD"} {
				a := e.do(t, method, "/.tools/maps/x", "empty")
				if a.status != 503 || b.hits.Load() != 0 {
					t.Errorf("%s: %d, and the tool was asked %d times", method, a.status, b.hits.Load())
				}
				if method == "GET" {
					wantRefusal(t, a, 503, "the pseudonym that the tool is declared to get can't be made")
				}
			}
			if got := e.observed(t, 2); got[0] != "maps refused_request" {
				t.Errorf("observed %q", got)
			}
		})
	}
}

// The tool's other hosts may be other people's: they don't get the pseudonym.
func TestPseudonymStaysOnTheOrigin(t *testing.T) {
	var mu sync.Mutex
	got := make(map[string]string)
	record := func(who string, next string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			got[who+r.URL.Path] = r.Header.Get(PseudonymHeader)
			mu.Unlock()
			if r.URL.Path == "/a" && next != "" {
				w.Header().Set("Location", next)
				w.WriteHeader(302)
				return
			}
			tooltest.Answers("text/plain", "x")(w, r)
		}
	}
	second := newBackend(t, record("second", ""))
	first := newBackend(t, nil)
	first.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record("first", map[bool]string{true: second.URL + "/b", false: "/c"}[r.URL.RawQuery == "far"])(w, r)
	})
	declared := tool("maps", first.URL)
	declared.Pseudonym, declared.Hosts = true, []string{strings.TrimPrefix(second.URL, "http://")}
	e := newEdge(t, named(Config{}), declared)
	for _, query := range []string{"far", "near"} {
		if a := e.do(t, "GET", "/.tools/maps/a?"+query, "empty", asking("alice")); a.status != 200 {
			t.Fatalf("%s: %d %s", query, a.status, a.body)
		}
	}
	if got["first/a"] == "" || got["first/c"] != got["first/a"] {
		t.Errorf("the origin got %q", got)
	}
	if name, asked := got["second/b"]; !asked || name != "" {
		t.Errorf("another host got %q", fmt.Sprint(name, asked))
	}
}
