package caddymodule

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/masking"
)

const testSecret = "f1ba5d1771e0725210c41b4a1a678c026019a277582e04f7ae31073b915258cf"

// testMasker makes the masks that an edge with testSecret makes.
func testMasker(t testing.TB, site string) *masking.Masker {
	t.Helper()
	secret, err := hex.DecodeString(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	m, err := masking.NewMasker(secret, site, 0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func clientMask(t testing.TB, addr string) string {
	t.Helper()
	mask, err := testMasker(t, "").Client(netip.MustParseAddr(addr))
	if err != nil {
		t.Fatal(err)
	}
	return mask.String()
}

func rangeMask(t testing.TB, prefix string) string {
	t.Helper()
	mask, err := testMasker(t, "").Range(netip.MustParsePrefix(prefix))
	if err != nil {
		t.Fatal(err)
	}
	return mask.String()
}

// dump is all the app was sent, for a search for bytes.
func dump(r *http.Request) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Method, r.RequestURI, r.Host)
	r.Header.Write(&b)
	r.Trailer.Write(&b)
	return b.String()
}

func TestTheAppSeesTheMask(t *testing.T) {
	const client = "127.61.2.3"
	mask := clientMask(t, client)
	wide, narrow := rangeMask(t, "127.61.0.0/16"), rangeMask(t, "127.61.2.0/24")
	school, err := testMasker(t, "").Network("school")
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
			wiki := newApp(t, nil)
			e := newEdge(t, `{
				{GLOBAL}
				wikiveil {
					secret `+testSecret+`
					network school 127.61.0.0/16
				}
			}
			http://{SITE} {
				client_mask {
					`+c.options+`
				}
				reverse_proxy `+wiki.address()+` {
					header_up X-Remote {remote_host}
					header_up X-Client {client_ip}
					header_up X-Var {vars.client_mask}
				}
			}`)
			send(t, from(t, client), "GET", "http://"+e.site+"/", nil)
			r := wiki.one(t)
			for name, want := range map[string]string{
				"X-Forwarded-For": c.xff, "Client-Mask": mask, "Client-Network-Masks": c.networks, "Client-Network": c.names,
				"X-Remote": mask, "X-Client": mask, "X-Var": mask,
			} {
				if got := strings.Join(r.Header.Values(name), "|"); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if strings.Contains(dump(r), client) {
				t.Errorf("the address reached the app:\n%s", dump(r))
			}
			if log := e.readLog(t); strings.Contains(log, client) || !strings.Contains(log, mask) {
				t.Errorf("the log holds the address, or not the mask:\n%s", log)
			}
		})
	}
}

func TestObserveOnlyAddsTheMask(t *testing.T) {
	wiki := newApp(t, nil)
	e := newEdge(t, `{
		{GLOBAL}
		wikiveil {
			secret `+testSecret+`
		}
	}
	http://{SITE} {
		client_mask {
			mode observe
		}
		reverse_proxy `+wiki.address()+`
	}`)
	send(t, from(t, "127.61.2.3"), "GET", "http://"+e.site+"/", http.Header{"Client-Mask": {"2001:2f::bad"}, "X-Real-Ip": {"198.51.100.7"}})
	r := wiki.one(t)
	if got := r.Header.Values("Client-Mask"); !slices.Equal(got, []string{clientMask(t, "127.61.2.3")}) {
		t.Errorf("Client-Mask: %q", got)
	}
	if r.Header.Get("X-Forwarded-For") != "127.61.2.3" || r.Header.Get("X-Real-Ip") != "198.51.100.7" {
		t.Errorf("observing changed the request:\n%s", dump(r))
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
			wiki := newApp(t, nil)
			e := newEdge(t, `{
				{GLOBAL}
				wikiveil {
					secret `+testSecret+`
				}
			}
			http://{SITE} {
				`+c.site+`
				client_mask
				handle_errors 4xx 5xx {
					reverse_proxy `+wiki.address()+`
				}
			}`)
			send(t, from(t, client), c.method, "http://"+e.site+"/", http.Header{"X-Real-Ip": {client}, "X-Note": {client}})
			r := wiki.one(t)
			if got, want := r.Header.Get("X-Forwarded-For"), clientMask(t, client); got != want {
				t.Errorf("X-Forwarded-For: %q, want %q", got, want)
			}
			if strings.Contains(dump(r), client) {
				t.Errorf("the address reached the app:\n%s", dump(r))
			}
		})
	}
}

func TestAddressUnknownIsRefused(t *testing.T) {
	wiki := newApp(t, nil)
	dir := t.TempDir()
	e := newEdge(t, `{
		{GLOBAL}
	}
	http://{SITE} {
		bind unix/`+dir+`/s
		client_mask
		reverse_proxy `+wiki.address()+`
	}`)
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return net.Dial("unix", dir+"/s")
		},
	}}
	resp, body := send(t, client, "GET", "http://"+e.site+"/", http.Header{"X-Forwarded-For": {"198.51.100.7"}})
	if resp.StatusCode != 503 || !strings.Contains(body, "can't tell the client's address") {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	if got := wiki.take(); len(got) != 0 {
		t.Errorf("the app got %d requests", len(got))
	}
}

func TestHostThatNamesTheClientIsRefused(t *testing.T) {
	wiki := newApp(t, nil)
	e := newEdge(t, `{
		{GLOBAL}
	}
	http://:{PORT} {
		client_mask
		reverse_proxy `+wiki.address()+`
	}`)
	for _, host := range []string{"127.61.2.3", "127.61.2.3:80", "[::ffff:127.61.2.3]", "[::ffff:7f3d:203]:80"} {
		resp, body := send(t, from(t, "127.61.2.3"), "GET", "http://"+e.site+"/", http.Header{"Host": {host}})
		if resp.StatusCode != 400 || !strings.Contains(body, "names the client's own address") {
			t.Errorf("Host %s: got %d %q", host, resp.StatusCode, body)
		}
	}
	if got := wiki.take(); len(got) != 0 {
		t.Errorf("the app got %d requests", len(got))
	}
	// On one machine, client and server have one address, and links with it must go on to work.
	resp, _ := send(t, from(t, "127.0.0.1"), "GET", "http://"+e.site+"/", http.Header{"Origin": {"http://" + e.site}})
	if r := wiki.one(t); resp.StatusCode != 200 || r.Header.Get("Origin") != "http://"+e.site {
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
			wiki := newApp(t, nil)
			e := newEdge(t, `{
				{GLOBAL}
				`+c.servers+`
			}
			http://{SITE} {
				client_mask {
					networks `+c.networks+`
				}
				reverse_proxy `+wiki.address()+`
			}`)
			send(t, from(t, "127.61.2.3"), "GET", "http://"+e.site+"/", forged)
			r := wiki.one(t)
			host := c.host
			if host == "" {
				host = e.site
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
	wiki := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Your-Address", client+":4711")
		w.Header().Set("X-Other", "198.51.100.7")
		fmt.Fprint(w, "ok")
	})
	e := newEdge(t, `{
		{GLOBAL}
		wikiveil {
			secret `+testSecret+`
		}
	}
	http://{SITE} {
		client_mask
		reverse_proxy `+wiki.address()+`
	}`)
	resp, _ := send(t, from(t, client), "GET", "http://"+e.site+"/", nil)
	if got, want := resp.Header.Get("X-Your-Address"), "["+clientMask(t, client)+"]:0"; got != want {
		t.Errorf("X-Your-Address: %q, want %q", got, want)
	}
	if got := resp.Header.Get("X-Other"); got != "198.51.100.7" {
		t.Errorf("X-Other: %q: another's address is none of our business", got)
	}
}

func TestTrailersAreDropped(t *testing.T) {
	const client = "127.61.2.3"
	wiki := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, dump(r))
	})
	e := newEdge(t, `{
		{GLOBAL}
	}
	http://{SITE} {
		client_mask
		reverse_proxy `+wiki.address()+`
	}`)
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}).Dial("tcp", e.site)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nTrailer: X-Real-Ip\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"1\r\nx\r\n0\r\nX-Real-Ip: %s\r\n\r\n", e.site, client)
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
	wiki := newApp(t, nil)
	e := newEdge(t, `{
		{GLOBAL}
		wikiveil {
			secret `+testSecret+`
		}
	}
	http://{SITE} {
		client_mask
		@address original_client_ip 127.61.2.0/24 ::ffff:127.70.0.1
		respond @address "by address"
		@mask masked `+clientMask(t, "127.61.3.1")+` `+rangeMask(t, "127.62.0.0/16")+`
		respond @mask "by mask"
		@client client_ip `+clientMask(t, "127.63.0.1")+`
		respond @client "by client_ip"
		respond "nobody"
	}`)
	for source, want := range map[string]string{
		"127.61.2.200": "by address", "127.70.0.1": "by address", "127.61.3.1": "by mask", "127.62.9.9": "by mask",
		"127.63.0.1": "by client_ip", "127.61.3.2": "nobody", "127.64.0.1": "nobody",
	} {
		if _, body := send(t, from(t, source), "GET", "http://"+e.site+"/", nil); body != want {
			t.Errorf("%s: %q, want %q", source, body, want)
		}
	}
	if len(wiki.take()) != 0 {
		t.Error("the app was asked")
	}
}

func TestMatcherMaskedWithoutClientMaskFailsClosed(t *testing.T) {
	e := newEdge(t, `{
		{GLOBAL}
	}
	http://{SITE} {
		@blocked masked `+clientMask(t, "127.61.3.1")+`
		respond @blocked "blocked" 403
		respond "let in"
	}`)
	resp, body := send(t, from(t, "127.61.3.1"), "GET", "http://"+e.site+"/", nil)
	if resp.StatusCode != 503 || strings.Contains(body, "let in") {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	if log := e.readLog(t); !strings.Contains(log, "masked needs client_mask") {
		t.Errorf("the log does not say why:\n%s", log)
	}
}

func TestSitesUnrelatedOrShared(t *testing.T) {
	wiki := newApp(t, nil)
	site := func(name, options string) string {
		return "http://" + name + ":{PORT} {\nbind 127.0.0.1\nclient_mask {\n" + options + "\n}\nreverse_proxy " + wiki.address() + "\n}\n"
	}
	e := newEdge(t, `{
		{GLOBAL}
		wikiveil {
			secret `+testSecret+`
			site family
		}
	}
	`+site("en.test", "")+site("de.test", "site family")+site("other.test", "site other"))
	masks := make(map[string]string)
	for _, name := range []string{"en.test", "de.test", "other.test"} {
		send(t, from(t, "127.61.2.3"), "GET", "http://"+e.site+"/", http.Header{"Host": {name}})
		masks[name] = wiki.one(t).Header.Get("Client-Mask")
	}
	want, err := testMasker(t, "family").Client(netip.MustParseAddr("127.61.2.3"))
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
	wiki := newApp(t, nil)
	e := newEdge(t, `{
		{GLOBAL}
		servers {
			trusted_proxies static 127.0.0.1
		}
	}
	http://{SITE} {
		client_mask {
			v6_prefix 56
		}
		reverse_proxy `+wiki.address()+`
	}`)
	mask := func(addr string) string {
		send(t, from(t, "127.0.0.1"), "GET", "http://"+e.site+"/", http.Header{"X-Forwarded-For": {addr}})
		r := wiki.one(t)
		if strings.Contains(dump(r), addr) {
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
