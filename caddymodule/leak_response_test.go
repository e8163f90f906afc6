package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// An app that knows the address from elsewhere does not get it out in a header, whether
// of an early, the last or a trailing part of its response.
func TestLeakInResponses(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		c := leakClients()[0]
		if r.Header.Get("X-Who") == leakClients()[2].name {
			c = leakClients()[2]
		}
		say := func(text string) string { return expandForm(text, c, "", "") }
		h := w.Header()
		if r.ProtoMajor > 0 && r.URL.Path != "/fastcgi/" && r.URL.Path != "/php/" {
			h.Set("Link", say("<https://{url}/style.css>; rel=preload"))
			w.WriteHeader(http.StatusEarlyHints)
			h.Set("Trailer", "X-End")
			defer func() {
				h.Set("X-End", say("{ip}"))
				h.Set(http.TrailerPrefix+"X-Late", say("{hex}"))
			}()
		}
		h.Set("Location", say("http://{url}:8080/?{pct}"))
		h.Set("Set-Cookie", say("last={ip}; Path=/"))
		h.Set("Client-Ip", say("{ip}"))
		h.Set("X-Served-For", say("{hex}, {full}, {upper}, {zone}, {port}, {cidr}"))
		h.Set("ETag", say(`"{ip}-1"`))
		h.Set("Content-Security-Policy", say("default-src {url}"))
		h.Set("Access-Control-Allow-Origin", say("http://{url}"))
		w.WriteHeader(http.StatusFound)
		io.WriteString(w, "body")
	}
	tlsSite := edgetest.FreePort(t)
	config := `{
		{GLOBAL}
		auto_https disable_redirects
		skip_install_trust
		servers {
			trusted_proxies static ` + leakRange + `
		}
		wikiveil {
			secret ` + edgetest.Secret + `
		}
	}
	https://` + leakHost + ":" + tlsSite[strings.LastIndexByte(tlsSite, ':')+1:] + ` {
		# At the first handshake: Caddy 2.11.9 has a data race where certificates are obtained as the config starts.
		tls internal {
			on_demand
		}
		client_mask
		log {
			output file {DIR}/access.log
			format masked json
		}`
	paths := map[string]string{"/h1/": "reverse_proxy {APP}", "/h2/": "reverse_proxy h2c://{APP}", "/fastcgi/": "reverse_proxy {APP} {\ntransport fastcgi\n}"}
	for path, directive := range paths {
		a := newLeakApp(t, map[string]wire{"/h1/": wireH1, "/h2/": wireH2, "/fastcgi/": wireFastCGI}[path], answer)
		config += fmt.Sprintf("\nhandle %s {\n%s\n}", path, strings.ReplaceAll(directive, "{APP}", a.Address()))
	}
	e := edgetest.New(t, config+"\n}")
	roots := rootOf(t, e, tlsSite)
	for _, protocol := range []string{"h1", "h2", "h3"} {
		for _, c := range []leakClient{leakClients()[0], leakClients()[2]} {
			client := overTLS(t, protocol, c.source, tlsSite, roots)
			for path := range paths {
				t.Run(protocol+path+c.name, func(t *testing.T) { tryResponse(t, client, c, path) })
			}
		}
	}
	e.SearchTraces(t, leakAddrs()...)
}

func tryResponse(t *testing.T, client *http.Client, c leakClient, path string) {
	t.Helper()
	early := 0
	trace := &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
		early++
		edgetest.WantNone(t, "the early response", dumpHeader(http.Header(h)), leakAddrs()...)
		return nil
	}}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "GET", "https://"+leakHost+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = leakForm{head: "X-Who: " + c.name}.header(c)
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "body" {
		t.Errorf("%q, %v", body, err)
	}
	edgetest.WantNone(t, "the response", dumpHeader(resp.Header), leakAddrs()...)
	edgetest.WantNone(t, "its trailers", dumpHeader(resp.Trailer), leakAddrs()...)
	if got, want := resp.Header.Get("Client-Ip"), edgetest.ClientMask(t, c.addr.String()); got != want {
		t.Errorf("Client-Ip: %q, want %s", got, want)
	}
	if path != "/fastcgi/" && early == 0 {
		t.Error("no early response came")
	}
}

func dumpHeader(h http.Header) []byte {
	var b strings.Builder
	h.Write(&b)
	return []byte(b.String())
}
