package anonproxy

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/selfcheck"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// canaryTool is a tool that is nowhere, as none is asked.
func canaryTool(origin string, methods ...string) *noticeboard.Tool {
	return &noticeboard.Tool{
		Name: "maps", Origin: origin, Kinds: noticeboard.Kinds(), Methods: methods, AllowLoopback: strings.Contains(origin, "//127."),
	}
}

// echoed makes the real proxy that ends at the echo; change may spoil it.
func echoed(t testing.TB, board *noticeboard.Board, cfg Config, change func(*Proxy, http.ResponseWriter, *http.Request)) func(string, *x509.CertPool, *selfcheck.Reader) (http.Handler, func(), error) {
	return func(echo string, roots *x509.CertPool, who *selfcheck.Reader) (http.Handler, func(), error) {
		var transports []*Transport
		cfg := cfg
		cfg.Transport = func(tool *noticeboard.Tool) (*Transport, func()) {
			transports = append(transports, NewEchoTransport(tool, echo, roots))
			return transports[0], func() {}
		}
		cfg.Reader = func(*http.Request) Reader { return Reader{Client: who.Client} }
		if pseudonym := cfg.Pseudonym; pseudonym != nil {
			cfg.Pseudonym = func(tool *noticeboard.Tool, reader Reader, now time.Time) string {
				return who.Conceal(pseudonym(tool, reader, now))
			}
		}
		if cfg.Cache != nil {
			cfg.Cache = newCache(t, cache.Config{})
		}
		proxy, err := New(board, cfg)
		if err != nil {
			return nil, nil, err
		}
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if change != nil {
				change(proxy, w, r)
			}
			proxy.ServeHTTP(w, r)
		})
		return handler, func() {
			for _, t := range transports {
				t.Close()
			}
			_ = proxy.Close()
		}, nil
	}
}

func runCanary(t testing.TB, tool *noticeboard.Tool, cfg Config, change func(*Proxy, http.ResponseWriter, *http.Request)) (*noticeboard.Tool, *selfcheck.Result) {
	t.Helper()
	board, err := noticeboard.New([]*noticeboard.Tool{tool})
	if err != nil {
		t.Fatal(err)
	}
	tool, _ = board.Lookup(tool.Name)
	result, err := selfcheck.Run(t.Context(), selfcheck.Config{Tool: tool, Prefix: noticeboard.DefaultPrefix, Proxy: echoed(t, board, cfg, change)})
	if err != nil {
		t.Fatal(err)
	}
	return tool, result
}

// signed makes a transcript that is opened again, as anybody gets it.
func signed(t testing.TB, tool *noticeboard.Tool, result *selfcheck.Result) *selfcheck.Transcript {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "wiki")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	made := &selfcheck.Transcript{
		Prefix: noticeboard.DefaultPrefix, Tool: tool.Public(), Sequence: 1,
		Time: time.Now().UTC().Truncate(time.Second), Every: 3600, Result: *result,
	}
	data, err := made.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := selfcheck.Open(data, verifier)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(opened, made) {
		t.Errorf("opened, it is another: %+v, not %+v", opened, made)
	}
	return opened
}

// What the canary shows of the real proxy passes its own verification, over HTTP/1.1.
func TestCanaryShowsTheRequests(t *testing.T) {
	for name, cfg := range map[string]Config{
		"plain":      {},
		"contact":    {Contact: "admin@wiki.example.org"},
		"with cache": {Cache: new(cache.Cache)},
	} {
		t.Run(name, func(t *testing.T) {
			tool, result := runCanary(t, canaryTool("http://127.0.0.1:1", "GET", "HEAD"), cfg, nil)
			opened := signed(t, tool, result)
			if err := opened.Verify(selfcheck.Expect{Now: time.Now(), Declaration: tool.Hash()}); err != nil {
				t.Error(err)
			}
			if len(result.Requests) != 7 || result.Hello != nil {
				t.Fatalf("%d requests, TLS %x", len(result.Requests), result.Hello)
			}
			contact := ""
			if cfg.Contact != "" {
				contact = "; " + cfg.Contact
			}
			want := "GET /wikiveil-canary?x=1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\nUser-Agent: " + headers.Product + contact +
				")\r\nAccept: " + headers.Request("")[noticeboard.Img].Get("Accept") + "\r\nAccept-Encoding: identity\r\n\r\n"
			if got := string(result.Requests[0].Bytes); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// Over TLS the ClientHello of all connections is the same, and both protocols are shown.
// The requests over HTTP/2 are equal since their header has one order.
func TestCanaryOverTLS(t *testing.T) {
	tool, result := runCanary(t, canaryTool("https://maps.example.org", "GET", "HEAD"), Config{}, nil)
	if err := signed(t, tool, result).Verify(selfcheck.Expect{Now: time.Now(), Declaration: tool.Hash()}); err != nil {
		t.Error(err)
	}
	if len(result.Differences) > 0 {
		t.Errorf("the readers differ: %q", result.Differences)
	}
	page, err := selfcheck.Page(httptest.NewRequest(http.MethodGet, "/", nil), &selfcheck.Transcript{Result: *result}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<dd>maps.example.org</dd>", "<dd>h2, http/1.1</dd>", "X25519", "TLS 1.3, TLS 1.2"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("of the ClientHello %q is not shown: %s", want, page)
		}
	}
	for i, r := range result.Requests {
		if want := []string{selfcheck.HTTP2, selfcheck.HTTP1}[i%2]; r.Protocol != want || r.Refused != "" && r.Kind != "" {
			t.Errorf("request %d over %s: %s", i, r.Protocol, r.Refused)
		}
	}
}

// A proxy that lets anything of a reader through is found out.
func TestCanaryFindsLeaks(t *testing.T) {
	header := func(name string, value func(*http.Request) string) func(*Proxy, http.ResponseWriter, *http.Request) {
		return func(p *Proxy, _ http.ResponseWriter, r *http.Request) {
			up := p.upstreams()["maps"]
			for kind, h := range up.headers {
				h = maps.Clone(h)
				if v := value(r); v != "" {
					h.Set(name, v)
				}
				up.headers[kind] = h
			}
		}
	}
	for name, tc := range map[string]struct {
		change     func(*Proxy, http.ResponseWriter, *http.Request)
		difference string
	}{
		"languages":    {header("Accept-Language", func(r *http.Request) string { return r.Header.Get("Accept-Language") }), "the header fields Accept-Language"},
		"a cookie":     {header("Cookie", func(r *http.Request) string { return r.Header.Get("Cookie") }), "the header fields Cookie"},
		"the address":  {header("X-Forwarded-For", func(r *http.Request) string { return r.RemoteAddr }), "the header fields X-Forwarded-For"},
		"the host":     {header("Referer", func(r *http.Request) string { return r.Host }), "the header fields Referer"},
		"only that":    {header("Dnt", func(r *http.Request) string { return r.Header.Get("Dnt") }), "the header fields Dnt"},
		"the protocol": {header("Via", func(r *http.Request) string { return r.Proto }), "the header fields Via"},
		"a user agent": {header("User-Agent", func(r *http.Request) string { return r.Header.Get("User-Agent") }), "the header fields User-Agent"},
		"a range":      {header("Range", func(r *http.Request) string { return r.Header.Get("Range") }), "the header fields Range"},
		"the query":    {func(_ *Proxy, _ http.ResponseWriter, r *http.Request) { r.URL.RawQuery += r.Header.Get("Dnt") }, "differ in the "},
		"the ClientHello": {func(p *Proxy, _ http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.UserAgent(), "Mobile") {
				p.upstreams()["maps"].transport.HTTP.TLSClientConfig.MaxVersion = 0x0303
			}
		}, "the ClientHello is another"},
		"a refusal": {func(p *Proxy, _ http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.UserAgent(), "Mobile") {
				clear(p.upstreams())
			}
		}, "the edge refuses one reader and not the other: 404"},
	} {
		t.Run(name, func(t *testing.T) {
			tool, result := runCanary(t, canaryTool("https://maps.example.org"), Config{}, tc.change)
			for _, protocol := range []string{selfcheck.HTTP1, selfcheck.HTTP2} {
				if !slices.ContainsFunc(result.Differences, func(d string) bool {
					return strings.Contains(d, protocol) && strings.Contains(strings.ToLower(d), strings.ToLower(tc.difference))
				}) {
					t.Errorf("over %s: got %q, want %q", protocol, result.Differences, tc.difference)
				}
			}
			if err := signed(t, tool, result).Verify(selfcheck.Expect{Now: time.Now()}); !errors.Is(err, selfcheck.ErrUnequal) {
				t.Errorf("verified: %v", err)
			}
		})
	}
}

// What is the same for all readers and yet no constant that is known doesn't pass either.
func TestCanaryFindsStrangeFields(t *testing.T) {
	tool, result := runCanary(t, canaryTool("http://127.0.0.1:1"), Config{}, func(p *Proxy, _ http.ResponseWriter, _ *http.Request) {
		for _, h := range p.upstreams()["maps"].headers {
			h.Set("X-Wiki", "example")
		}
	})
	if len(result.Differences) > 0 {
		t.Errorf("the readers differ: %q", result.Differences)
	}
	err := signed(t, tool, result).Verify(selfcheck.Expect{Now: time.Now()})
	if !errors.Is(err, selfcheck.ErrForeign) || !strings.Contains(err.Error(), `the header field "x-wiki"`) {
		t.Errorf("verified: %v", err)
	}
}

func TestCanaryRefusesWhatHasNone(t *testing.T) {
	for name, tc := range map[string]struct {
		tool   noticeboard.Tool
		reason string
	}{
		"consent": {noticeboard.Tool{Name: "maps", Origin: "https://maps.example.org", Access: noticeboard.ByConsent}, "by consent alone"},
		"mirror": {noticeboard.Tool{Name: "maps", Origin: "https://maps.example.org", Access: noticeboard.ByProxy,
			Mirror: []noticeboard.MirrorFile{{Path: "/a"}}}, "is a mirror"},
	} {
		if _, err := selfcheck.Run(t.Context(), selfcheck.Config{Tool: &tc.tool}); err == nil || !strings.Contains(err.Error(), tc.reason) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What is POSTed is shown too, over both protocols.
func TestCanaryShowsPOST(t *testing.T) {
	tool, result := runCanary(t, canaryTool("https://maps.example.org", "GET", "POST"), Config{}, nil)
	if err := signed(t, tool, result).Verify(selfcheck.Expect{Now: time.Now(), Declaration: tool.Hash()}); err != nil {
		t.Error(err)
	}
	posts := 0
	for _, q := range result.Requests {
		if q.Method != "POST" {
			continue
		}
		posts++
		if q.Refused != "" || !strings.Contains(string(q.Bytes), selfcheck.Body) {
			t.Errorf("%v: refused %q, bytes %q", q, q.Refused, q.Bytes)
		}
	}
	if posts != 2 {
		t.Errorf("%d POSTs are shown", posts)
	}
}

// So is the request by which an EventSource begins.
func TestCanaryShowsEvents(t *testing.T) {
	declared := canaryTool("https://maps.example.org")
	declared.Streams = []noticeboard.Stream{noticeboard.Events}
	tool, result := runCanary(t, declared, Config{}, nil)
	if err := signed(t, tool, result).Verify(selfcheck.Expect{Now: time.Now(), Declaration: tool.Hash()}); err != nil {
		t.Error(err)
	}
	last := result.Requests[len(result.Requests)-1]
	if last.Stream != noticeboard.Events || last.Refused != "" || !strings.Contains(string(last.Bytes), "\r\nAccept: text/event-stream\r\n") {
		t.Errorf("the last request is %v: %q", last, last.Bytes)
	}
}

// A pseudonym is the one thing in which requests differ: it is named, and its value left out.
func TestCanaryShowsPseudonyms(t *testing.T) {
	if PseudonymHeader != selfcheck.PseudonymHeader {
		t.Fatalf("the proxy sends %s, the canary looks for %s", PseudonymHeader, selfcheck.PseudonymHeader)
	}
	declared := canaryTool("https://maps.example.org")
	declared.Pseudonym = true
	key := []byte("0123456789abcdef0123456789abcdef")
	tool, result := runCanary(t, declared, Config{Pseudonym: func(tool *noticeboard.Tool, reader Reader, now time.Time) string {
		return Pseudonym(key, now, tool, reader.Client)
	}}, nil)
	if err := signed(t, tool, result).Verify(selfcheck.Expect{Now: time.Now(), Declaration: tool.Hash()}); err != nil {
		t.Error(err)
	}
}
