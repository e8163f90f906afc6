package mask

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
)

func TestTheAppSeesTheMask(t *testing.T) {
	const client = "127.61.2.3"
	mask := edgetest.ClientMask(t, client)
	wide, narrow := edgetest.RangeMask(t, "127.61.0.0/16"), edgetest.RangeMask(t, "127.61.2.0/24")
	school, err := edgetest.Masker(t, "").Network("school")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, options string
		xff, networks string
		names         string
	}{
		{"by default", "", mask, fmt.Sprintf("%s, %s, %s", school, wide, narrow), "school"},
		{"networks xff", "networks xff", fmt.Sprintf("%s, %s, %s, %s", school, wide, narrow, mask),
			fmt.Sprintf("%s, %s, %s", school, wide, narrow), "school"},
		{"networks off", "networks off", mask, "", "school"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wiki := edgetest.NewBackend(t, nil)
			e := edgetest.New(t, `{
				{GLOBAL}
				wikiveil {
					secret `+edgetest.Secret+`
					network school 127.61.0.0/16
				}
			}
			http://{SITE} {
				client_mask {
					`+c.options+`
				}
				reverse_proxy `+wiki.Address()+` {
					header_up X-Remote {remote_host}
					header_up X-Client {client_ip}
					header_up X-Var {vars.client_mask}
				}
			}`)
			edgetest.Send(t, edgetest.From(t, client), "GET", "http://"+e.Site+"/", nil)
			r := wiki.One(t)
			for name, want := range map[string]string{
				"X-Forwarded-For": c.xff, "Client-Mask": mask, "Client-Network-Masks": c.networks, "Client-Network": c.names,
				"X-Remote": mask, "X-Client": mask, "X-Var": mask,
			} {
				if got := strings.Join(r.Header.Values(name), "|"); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if strings.Contains(edgetest.Dump(r), client) {
				t.Errorf("the address reached the app:\n%s", edgetest.Dump(r))
			}
			if log := e.ReadLog(t); strings.Contains(log, client) || !strings.Contains(log, mask) {
				t.Errorf("the log holds the address, or not the mask:\n%s", log)
			}
		})
	}
}

func TestObserveOnlyAddsTheMask(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		client_mask {
			mode observe
		}
		reverse_proxy `+wiki.Address()+`
	}`)
	edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+e.Site+"/", http.Header{"Client-Mask": {"2001:2f::bad"}, "X-Real-Ip": {"198.51.100.7"}})
	r := wiki.One(t)
	if got := r.Header.Values("Client-Mask"); !slices.Equal(got, []string{edgetest.ClientMask(t, "127.61.2.3")}) {
		t.Errorf("Client-Mask: %q", got)
	}
	if r.Header.Get("X-Forwarded-For") != "127.61.2.3" || r.Header.Get("X-Real-Ip") != "198.51.100.7" {
		t.Errorf("observing changed the request:\n%s", edgetest.Dump(r))
	}
}

// Caddy puts the peer's address back before it runs error routes, and an error page that
// the app makes would get it.
func TestErrorRoutesAreMasked(t *testing.T) {
	const client = "127.61.2.3"
	for _, c := range []struct{ name, method, site string }{
		{"error in the site", "GET", "error /* 418"},
		{"app is down", "GET", "reverse_proxy 127.0.0.1:1"},
		{"before any handler of the site", strings.Repeat("M", 40), "respond ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wiki := edgetest.NewBackend(t, nil)
			e := edgetest.New(t, `{
				{GLOBAL}
				wikiveil {
					secret `+edgetest.Secret+`
				}
			}
			http://{SITE} {
				`+c.site+`
				client_mask
				handle_errors 4xx 5xx {
					reverse_proxy `+wiki.Address()+`
				}
			}`)
			edgetest.Send(t, edgetest.From(t, client), c.method, "http://"+e.Site+"/", http.Header{"X-Real-Ip": {client}, "X-Note": {client}})
			r := wiki.One(t)
			if got, want := r.Header.Get("X-Forwarded-For"), edgetest.ClientMask(t, client); got != want {
				t.Errorf("X-Forwarded-For: %q, want %q", got, want)
			}
			if strings.Contains(edgetest.Dump(r), client) {
				t.Errorf("the address reached the app:\n%s", edgetest.Dump(r))
			}
		})
	}
}

func TestAddressUnknownIsRefused(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	dir := t.TempDir()
	e := edgetest.New(t, `{
		{GLOBAL}
	}
	http://{SITE} {
		bind unix/`+dir+`/s
		client_mask
		reverse_proxy `+wiki.Address()+`
	}`)
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return net.Dial("unix", dir+"/s")
		},
	}}
	resp, body := edgetest.Send(t, client, "GET", "http://"+e.Site+"/", http.Header{"X-Forwarded-For": {"198.51.100.7"}})
	if resp.StatusCode != 503 || !strings.Contains(body, "can't tell the client's address") {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	if got := wiki.Take(); len(got) != 0 {
		t.Errorf("the app got %d requests", len(got))
	}
}

func TestHostThatNamesTheClientIsRefused(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, `{
		{GLOBAL}
	}
	http://:{PORT} {
		client_mask
		reverse_proxy `+wiki.Address()+`
	}`)
	for _, host := range []string{"127.61.2.3", "127.61.2.3:80", "[::ffff:127.61.2.3]", "[::ffff:7f3d:203]:80"} {
		resp, body := edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+e.Site+"/", http.Header{"Host": {host}})
		if resp.StatusCode != 400 || !strings.Contains(body, "names the client's own address") {
			t.Errorf("Host %s: got %d %q", host, resp.StatusCode, body)
		}
	}
	if got := wiki.Take(); len(got) != 0 {
		t.Errorf("the app got %d requests", len(got))
	}
	// On one machine, client and server have one address, and links with it must go on to work.
	resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), "GET", "http://"+e.Site+"/", http.Header{"Origin": {"http://" + e.Site}})
	if r := wiki.One(t); resp.StatusCode != 200 || r.Header.Get("Origin") != "http://"+e.Site {
		t.Errorf("got %d, Origin %q", resp.StatusCode, r.Header.Get("Origin"))
	}
}

func TestForwardedProtoOfStrangersIsNotBelieved(t *testing.T) {
	forged := http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil.example"}}
	for _, c := range []struct{ name, servers, networks, proto, host string }{
		{"stranger", "", "header", "http", ""},
		{"stranger, networks xff", "", "xff", "http", ""},
		{"trusted", "servers {\ntrusted_proxies static 127.61.2.3\n}", "header", "https", "evil.example"},
		{"trusted, networks xff", "servers {\ntrusted_proxies static 127.61.2.3\n}", "xff", "https", "evil.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wiki := edgetest.NewBackend(t, nil)
			e := edgetest.New(t, `{
				{GLOBAL}
				`+c.servers+`
			}
			http://{SITE} {
				client_mask {
					networks `+c.networks+`
				}
				reverse_proxy `+wiki.Address()+`
			}`)
			edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+e.Site+"/", forged)
			r := wiki.One(t)
			host := c.host
			if host == "" {
				host = e.Site
			}
			if got := r.Header.Get("X-Forwarded-Proto"); got != c.proto {
				t.Errorf("X-Forwarded-Proto: %q, want %q", got, c.proto)
			}
			if got := r.Header.Get("X-Forwarded-Host"); got != host {
				t.Errorf("X-Forwarded-Host: %q, want %q", got, host)
			}
		})
	}
}

func TestResponseHeadersGetTheMask(t *testing.T) {
	const client = "127.61.2.3"
	wiki := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Your-Address", client+":4711")
		w.Header().Set("X-Other", "198.51.100.7")
		fmt.Fprint(w, "ok")
	})
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		client_mask
		reverse_proxy `+wiki.Address()+`
	}`)
	resp, _ := edgetest.Send(t, edgetest.From(t, client), "GET", "http://"+e.Site+"/", nil)
	if got, want := resp.Header.Get("X-Your-Address"), "["+edgetest.ClientMask(t, client)+"]:0"; got != want {
		t.Errorf("X-Your-Address: %q, want %q", got, want)
	}
	if got := resp.Header.Get("X-Other"); got != "198.51.100.7" {
		t.Errorf("X-Other: %q: another's address is none of our business", got)
	}
}

func TestTrailersAreDropped(t *testing.T) {
	const client = "127.61.2.3"
	wiki := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, edgetest.Dump(r))
	})
	e := edgetest.New(t, `{
		{GLOBAL}
	}
	http://{SITE} {
		client_mask
		reverse_proxy `+wiki.Address()+`
	}`)
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}).Dial("tcp", e.Site)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nTrailer: X-Real-Ip\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"1\r\nx\r\n0\r\nX-Real-Ip: %s\r\n\r\n", e.Site, client)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	seen, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || strings.Contains(string(seen), client) || strings.Contains(string(seen), "X-Real-Ip") {
		t.Errorf("%v, %v, the app saw:\n%s", resp.Status, err, seen)
	}
}

func TestMatchers(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		client_mask
		@address original_client_ip 127.61.2.0/24 ::ffff:127.70.0.1
		respond @address "by address"
		@mask masked `+edgetest.ClientMask(t, "127.61.3.1")+` `+edgetest.RangeMask(t, "127.62.0.0/16")+`
		respond @mask "by mask"
		@client client_ip `+edgetest.ClientMask(t, "127.63.0.1")+`
		respond @client "by client_ip"
		respond "nobody"
	}`)
	for source, want := range map[string]string{
		"127.61.2.200": "by address", "127.70.0.1": "by address", "127.61.3.1": "by mask", "127.62.9.9": "by mask",
		"127.63.0.1": "by client_ip", "127.61.3.2": "nobody", "127.64.0.1": "nobody",
	} {
		if _, body := edgetest.Send(t, edgetest.From(t, source), "GET", "http://"+e.Site+"/", nil); body != want {
			t.Errorf("%s: %q, want %q", source, body, want)
		}
	}
	if len(wiki.Take()) != 0 {
		t.Error("the app was asked")
	}
}

func TestMatcherMaskedWithoutClientMaskFailsClosed(t *testing.T) {
	e := edgetest.New(t, `{
		{GLOBAL}
	}
	http://{SITE} {
		@blocked masked `+edgetest.ClientMask(t, "127.61.3.1")+`
		respond @blocked "blocked" 403
		respond "let in"
	}`)
	resp, body := edgetest.Send(t, edgetest.From(t, "127.61.3.1"), "GET", "http://"+e.Site+"/", nil)
	if resp.StatusCode != 503 || strings.Contains(body, "let in") {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	if log := e.ReadLog(t); !strings.Contains(log, "masked needs client_mask") {
		t.Errorf("the log does not say why:\n%s", log)
	}
}

func TestSitesUnrelatedOrShared(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	site := func(name, options string) string {
		return "http://" + name + ":{PORT} {\nbind 127.0.0.1\nclient_mask {\n" + options + "\n}\nreverse_proxy " + wiki.Address() + "\n}\n"
	}
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
			site family
		}
	}
	`+site("en.test", "")+site("de.test", "site family")+site("other.test", "site other"))
	masks := make(map[string]string)
	for _, name := range []string{"en.test", "de.test", "other.test"} {
		edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+e.Site+"/", http.Header{"Host": {name}})
		masks[name] = wiki.One(t).Header.Get("Client-Mask")
	}
	want, err := edgetest.Masker(t, "family").Client(netip.MustParseAddr("127.61.2.3"))
	if err != nil {
		t.Fatal(err)
	}
	if masks["en.test"] != want.String() || masks["de.test"] != want.String() {
		t.Errorf("sites of one label: %v, want %v", masks, want)
	}
	if masks["other.test"] == masks["en.test"] {
		t.Errorf("sites of two labels share a mask: %v", masks)
	}
}

func TestV6Prefix(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, `{
		{GLOBAL}
		servers {
			trusted_proxies static 127.0.0.1
		}
	}
	http://{SITE} {
		client_mask {
			v6_prefix 56
		}
		reverse_proxy `+wiki.Address()+`
	}`)
	mask := func(addr string) string {
		edgetest.Send(t, edgetest.From(t, "127.0.0.1"), "GET", "http://"+e.Site+"/", http.Header{"X-Forwarded-For": {addr}})
		r := wiki.One(t)
		if strings.Contains(edgetest.Dump(r), addr) {
			t.Errorf("%s reached the app", addr)
		}
		return r.Header.Get("Client-Mask")
	}
	if a, b := mask("2001:db8:0:aa01::1"), mask("2001:db8:0:aaff::2"); a != b {
		t.Errorf("two addresses of one /56: %s, %s", a, b)
	}
	if a, b := mask("2001:db8:0:aa01::1"), mask("2001:db8:0:ab01::1"); a == b {
		t.Errorf("two /56 share %s", a)
	}
}

// Kind 9: a Caddy that keeps the server or the request as it came in another form is refused, not trusted.
func TestAnotherCaddyIsRefused(t *testing.T) {
	request := func(trusted bool, key caddy.CtxKey, value any) *http.Request {
		vars := map[string]any{caddyhttp.TrustedProxyVarKey: trusted, caddyhttp.ClientIPVarKey: "127.11.22.33"}
		r := httptest.NewRequest("GET", "http://wiki.example/", nil)
		ctx := context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars)
		return r.WithContext(context.WithValue(ctx, key, value))
	}
	for name, c := range map[string]struct {
		r    *http.Request
		want string
	}{
		"the original request": {request(false, caddyhttp.OriginalRequestCtxKey, new(http.Request)), refusedNoMask.Reason},
		"the server":           {request(true, caddyhttp.ServerCtxKey, caddyhttp.App{}), "client_address_unknown"},
		"the variables":        {httptest.NewRequest("GET", "http://wiki.example/", nil), "client_address_unknown"},
	} {
		if _, refused := new(ClientMask).request(c.r, nil, reqstate.VarsOf(c.r)); refused == nil || refused.Reason != c.want {
			t.Errorf("%s: got %v", name, refused)
		}
	}
}
