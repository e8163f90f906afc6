package anonproxy

import (
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func TestConfig(t *testing.T) {
	for _, tc := range []struct {
		name   string
		cfg    Config
		reason string
	}{
		{"zero", Config{}, ""},
		{"prefix", Config{Prefix: "/_proxy/v1.0~a/"}, ""},
		{"whole site", Config{Prefix: "/"}, "prefix"},
		{"no slash at the end", Config{Prefix: "/.tools"}, "prefix"},
		{"no slash at the start", Config{Prefix: ".tools/"}, "prefix"},
		{"parent", Config{Prefix: "/../"}, "prefix"},
		{"self", Config{Prefix: "/a/./"}, "prefix"},
		{"empty segment", Config{Prefix: "/a//"}, "prefix"},
		{"escape", Config{Prefix: "/%2e/"}, "prefix"},
		{"line break", Config{Prefix: "/a/\n"}, "prefix"},
		{"mail", Config{Contact: "admin@wiki.example.org"}, ""},
		{"web address", Config{Contact: "https://wiki.example.org/Contact?a=b"}, ""},
		{"header in the contact", Config{Contact: "a\r\nCookie: b"}, "contact"},
		{"parenthesis", Config{Contact: "a)"}, "contact"},
		{"size", Config{MaxSize: -1}, "size"},
		{"timeout", Config{Timeout: -1}, "timeouts"},
		{"header timeout", Config{HeaderTimeout: -1}, "timeouts"},
		{"idle timeout", Config{IdleTimeout: -1}, "timeouts"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			board, err := noticeboard.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			_, made := New(board, tc.cfg)
			for _, err := range []error{tc.cfg.Validate(), made} {
				if tc.reason == "" && err != nil || tc.reason != "" && (err == nil || !strings.Contains(err.Error(), tc.reason)) {
					t.Errorf("error %v, want one about %q", err, tc.reason)
				}
			}
		})
	}
}

func TestOwnPrefix(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	e := newEdge(t, Config{Prefix: "/_proxy/"}, tool("maps", b.URL))
	if a := e.do(t, "GET", "/_proxy/maps/x", "empty"); a.status != 200 {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

// lent gives a transport to proxies that don't close it.
func lent(transport *Transport) func(*noticeboard.Tool) (*Transport, func()) {
	return func(*noticeboard.Tool) (*Transport, func()) { return transport, func() {} }
}

func TestGivenTransportStaysOpen(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	declared := tool("maps", b.URL)
	board, err := noticeboard.New([]*noticeboard.Tool{declared})
	if err != nil {
		t.Fatal(err)
	}
	one, _ := board.Lookup("maps")
	transport := NewTransport(one)
	defer transport.Close()
	cfg := Config{Transport: lent(transport)}
	for range 2 { // as a reload makes a new proxy and closes the old
		e := newEdge(t, cfg, declared)
		if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.status != 200 {
			t.Fatalf("got %d %s", a.status, a.body)
		}
		if err := e.proxy.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if b.conns.Load() != 1 {
		t.Errorf("%d connections, want 1 that both proxies used", b.conns.Load())
	}
}

func TestLogsTellNothingOfReaders(t *testing.T) {
	// The tool sends the reader's words back where an error might quote them.
	echo := says(t, "SECRET-path SECRET-query\r\n\r\n")
	page := says(t, "HTTP/1.1 200 OK\r\nContent-Type: SECRET-path/SECRET-query\r\n\r\n")
	redirect := says(t, "HTTP/1.1 302 Found\r\nLocation: https://secret-path.example.org/?SECRET-query\r\n\r\n")
	e := newEdge(t, Config{}, tool("echo", echo), tool("page", page), tool("redirect", redirect), tool("closed", "http://127.0.0.1:1"))
	for _, name := range []string{"echo", "page", "redirect", "closed"} {
		a := e.do(t, "GET", "/.tools/"+name+"/SECRET-path?SECRET-query", "empty", hostileHeaders("SECRET-header"))
		if a.status != 502 || strings.Contains(strings.ToUpper(a.body), "SECRET") {
			t.Errorf("%s: got %d %q", name, a.status, a.body)
		}
	}
	e.do(t, "GET", "/.tools/SECRET-name/x", "empty")
	e.do(t, "GET", "/.tools/echo/SECRET//?SECRET", "empty")
	logs := e.logs.String()
	for _, name := range []string{"echo", "page", "redirect", "closed"} {
		if !strings.Contains(logs, "tool="+name+" outcome=") {
			t.Errorf("the log lacks the error of %s: %s", name, logs)
		}
	}
	if strings.Contains(strings.ToUpper(logs), "SECRET") || strings.Contains(logs, "127.0.0.1:"+e.URL[strings.LastIndexByte(e.URL, ':')+1:]) {
		t.Errorf("the log tells of the reader: %s", logs)
	}
}

func TestInsecureToolsWarn(t *testing.T) {
	e := newEdge(t, Config{}, tool("demo", "http://127.0.0.1:9"), &noticeboard.Tool{Name: "maps", Origin: "https://maps.example.org"})
	logs := e.logs.String()
	if !strings.Contains(logs, "level=WARN") || !strings.Contains(logs, "INSECURE") || !strings.Contains(logs, "tool=demo") || strings.Contains(logs, "tool=maps") {
		t.Errorf("log %q", logs)
	}
}

func TestObserveNamesDeclaredToolsOnly(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	e := newEdge(t, Config{}, tool("maps", b.URL))
	for _, path := range []string{"/.tools/other/x", "/.tools/other", "/.tools/", "/.tools/maps/../x", "/.tools/maps/x"} {
		e.do(t, "GET", path, "empty")
	}
	got := e.observed(t, 2)
	if strings.Join(got, ",") != "maps refused_request,maps ok" {
		t.Errorf("observed %q", got)
	}
}
