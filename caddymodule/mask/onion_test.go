package mask

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// The example of the Tor project's own: its key and checksum fit.
const onion = "http://2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"

const onionSite = `{
	{GLOBAL}
	servers {
		trusted_proxies static 127.0.0.0/8 fc00::/7
		%s
	}
	wikiveil {
		secret ` + edgetest.Secret + `
		network tor 127.66.0.0/16
	}
}
http://{SITE} {
	@tor client_network tor
	header @tor X-Tor yes
	client_mask {
		networks xff
	}
	reverse_proxy %s
}`

// ask sends a request over a connection that begins with a header of the PROXY protocol.
func ask(t *testing.T, e *edgetest.Edge, source string, header []byte, fields string) (*http.Response, error) {
	t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}).Dial("tcp", e.Site)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%sGET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", header, e.Site, fields)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	return res, err
}

func proxyHeader(t *testing.T, version byte, from string) []byte {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from)), net.TCPAddrFromAddrPort(netip.MustParseAddrPort("[::1]:80")))
	data, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Each circuit has a mask of its own, by both versions of the header, and all of them are in the networks onion and tor.
func TestOnionCircuits(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, fmt.Sprintf(onionSite, "listener_wrappers {\n onion\n }", wiki.Address()))
	masker := edgetest.Masker(t, "")
	onionMask, _ := masker.Network("onion")
	torMask, _ := masker.Network("tor")
	for text, header := range map[string][]byte{
		"fc00:dead:beef:4dad::ffff:1": proxyHeader(t, 1, "[fc00:dead:beef:4dad::ffff:1]:4242"),
		"fc00:dead:beef:4dad::ffff:2": proxyHeader(t, 2, "[fc00:dead:beef:4dad::ffff:2]:4242"),
		"fc00:dead:beef:4dad::2":      []byte("PROXY TCP6 fc00:dead:beef:4dad::2 ::1 2 80\r\n"),
		"fc00:dead:beef:4dad::3":      proxyHeader(t, 1, "[fc00:dead:beef:4dad:9:9:0:3]:4242"), // the number alone counts
	} {
		// What a client writes of itself counts for nothing, though the config trusts that range.
		res, err := ask(t, e, "127.0.0.1", header, "X-Forwarded-For: 203.0.113.9\r\nClient-Network: school\r\n")
		if err != nil || res.StatusCode != 200 || res.Header.Get("X-Tor") != "yes" {
			t.Fatalf("%s: %v, %v", text, res, err)
		}
		r := wiki.One(t)
		mask, err := masker.Client(netip.MustParseAddr(text))
		if want := fmt.Sprintf("%s, %s, %s", onionMask, torMask, mask); err != nil || r.Header.Get("X-Forwarded-For") != want {
			t.Errorf("%s: X-Forwarded-For %q, want %q", text, r.Header.Get("X-Forwarded-For"), want)
		}
		if got := r.Header.Get("Client-Network"); got != "onion, tor" {
			t.Errorf("%s: Client-Network %q", text, got)
		}
		if dump := edgetest.Dump(r); strings.Contains(dump, "fc00:dead") || strings.Contains(dump, "203.0.113.9") {
			t.Errorf("%s: the app got %s", text, dump)
		}
	}
	if log := e.ReadLog(t); strings.Contains(log, "fc00:dead") {
		t.Errorf("the log has circuits:\n%s", log)
	}
}

// No header, another one, and other peers: nothing comes through.
func TestOnionRefusals(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, fmt.Sprintf(onionSite, "listener_wrappers {\n onion {\n peers 127.65.0.1\n }\n }", wiki.Address()))
	circuit := proxyHeader(t, 2, "[fc00:dead:beef:4dad::7]:4242")
	for name, tc := range map[string]struct {
		source string
		header []byte
	}{
		"no header":        {"127.65.0.1", nil},
		"an address":       {"127.65.0.1", proxyHeader(t, 2, "[2001:db8::1]:80")},
		"no address":       {"127.65.0.1", []byte("PROXY UNKNOWN\r\n")},
		"local":            {"127.65.0.1", append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20, 0, 0, 0)},
		"cut":              {"127.65.0.1", circuit[:20]},
		"long":             {"127.65.0.1", []byte("PROXY TCP6 " + strings.Repeat("f", 1<<12) + "\r\n")},
		"another peer":     {"127.0.0.1", circuit},
		"another's header": {"127.0.0.1", nil},
	} {
		if res, err := ask(t, e, tc.source, tc.header, ""); err == nil && res.StatusCode < 400 {
			t.Errorf("%s: %v", name, res)
		}
		if got := wiki.Take(); len(got) > 0 {
			t.Errorf("%s: the app got %s", name, edgetest.Dump(got[0]))
		}
	}
	if res, err := ask(t, e, "127.65.0.1", circuit, ""); err != nil || res.StatusCode != 200 || len(wiki.Take()) != 1 {
		t.Errorf("the peer itself: %v, %v", res, err)
	}
}

// Where no Tor says it, nobody has a circuit: not by a trusted proxy's header, and not by Caddy's own listener wrapper.
func TestCircuitsOfOthers(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	for name, tc := range map[string]struct {
		wrapper, fields string
		header          []byte
	}{
		"forwarded": {"", "X-Forwarded-For: fc00:dead:beef:4dad::7\r\n", nil},
		"a real peer": {"listener_wrappers {\n proxy_protocol {\n allow 127.0.0.0/8\n }\n }\ntrusted_proxies static 192.0.2.1", "",
			proxyHeader(t, 2, "[fc00:dead:beef:4dad::7]:80")},
	} {
		t.Run(name, func(t *testing.T) {
			site := fmt.Sprintf(onionSite, tc.wrapper, wiki.Address())
			if strings.Count(site, "trusted_proxies") > 1 {
				site = strings.Replace(site, "trusted_proxies static 127.0.0.0/8 fc00::/7\n", "", 1)
			}
			e := edgetest.New(t, strings.Replace(site, "header @tor X-Tor yes", "", 1))
			res, err := ask(t, e, "127.0.0.1", tc.header, tc.fields)
			if err != nil || res.StatusCode != 503 || len(wiki.Take()) > 0 {
				t.Errorf("%v, %v", res, err)
			}
			if got := e.Metric(t, `wikiveil_refused_requests_total{reason="client_is_circuit"}`); got == "" || got == "0" {
				t.Errorf("refused %q times", got)
			}
		})
	}
}

func TestOnionLocation(t *testing.T) {
	wiki := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		if r.URL.Path == "/own" {
			w.Header().Set("Onion-Location", "http://own.onion/")
		}
		fmt.Fprint(w, "<p>")
	})
	e := edgetest.New(t, `{
		{GLOBAL}
		servers {
			trusted_proxies static 127.0.0.2
		}
	}
	http://{SITE} {
		client_mask {
			onion_location `+onion+`
		}
		rewrite /short* /long?{query}
		reverse_proxy `+wiki.Address()+`
	}`)
	secure := http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-For": {"203.0.113.9"}}
	for _, tc := range []struct {
		method, path string
		header       http.Header
		want         string
	}{
		{"GET", "/short?type=text/html%3Bcharset=utf-8", secure, onion + "/short?type=text/html%3Bcharset=utf-8"},
		{"HEAD", "/a%20b?type=text/html", secure, onion + "/a%20b?type=text/html"},
		{"POST", "/a?type=text/html", secure, ""},
		{"GET", "/a?type=image/png", secure, ""},
		{"GET", "/a?type=text/html", nil, ""},
		{"GET", "/a?type=text/html", http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-For": {"203.0.113.9"}, "Host": {"X.Onion"}}, ""},
		{"GET", "/own?type=text/html", secure, "http://own.onion/"},
	} {
		res, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.2"), tc.method, "http://"+e.Site+tc.path, tc.header)
		if got := res.Header.Get("Onion-Location"); got != tc.want {
			t.Errorf("%s %s: Onion-Location %q, want %q", tc.method, tc.path, got, tc.want)
		}
	}
	for bad, want := range map[string]string{
		"onion_location https://wiki.example":                         "isn't of the form",
		"onion_location " + onion + "/x":                              "isn't of the form",
		"onion_location " + strings.Replace(onion, "2gzy", "2gzz", 1): "checksum",
		"onion_location http://expyuzz4wqqyqhjn.onion":                "checksum",
		"mode observe\nonion_location " + onion:                       "needs mode mask",
	} {
		edgetest.WantRefused(t, edgetest.Validate(t, "{\n{GLOBAL}\n}\nhttp://{SITE} {\nclient_mask {\n"+bad+"\n}\n}\n"), want)
	}
}

// The matcher finds networks before client_mask and after it, in expressions too, and shows nobody the address.
func TestClientNetworkMatcher(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			network tor 127.66.0.0/16
			network vpn 127.66.1.0/24 127.67.0.1
		}
		order respond before client_mask
	}
	http://{SITE} {
		@early {
			path /early
			client_network vpn
		}
		respond @early "early" 418
		client_mask {
			before respond
		}
		@tor client_network tor vpn
		header @tor X-In yes
		@said expression client_network('tor') && path('/said')
		header @said X-Said yes
		reverse_proxy `+wiki.Address()+`
	}`)
	for _, tc := range []struct{ source, path, in, said string }{
		{"127.66.0.9", "/said", "yes", "yes"}, {"127.67.0.1", "/said", "yes", ""}, {"127.67.0.2", "/said", "", ""}, {"127.66.0.9", "/early", "yes", ""},
	} {
		res, _ := edgetest.Send(t, edgetest.From(t, tc.source), "GET", "http://"+e.Site+tc.path, nil)
		if res.StatusCode != 200 || res.Header.Get("X-In") != tc.in || res.Header.Get("X-Said") != tc.said {
			t.Errorf("%s: %d, %v", tc.source, res.StatusCode, res.Header)
		}
		if dump := edgetest.Dump(wiki.One(t)); strings.Contains(dump, tc.source) {
			t.Errorf("the app got %s", dump)
		}
	}
	if res, _ := edgetest.Send(t, edgetest.From(t, "127.66.1.1"), "GET", "http://"+e.Site+"/early", nil); res.StatusCode != 418 || len(wiki.Take()) > 0 {
		t.Errorf("before client_mask: %d", res.StatusCode)
	}
	for matcher, want := range map[string]string{
		"client_network thor":                `there is no network "thor"`,
		"client_network":                     "wrong argument count",
		"expression client_network('proxy')": `there is no network "proxy"`,
	} {
		edgetest.WantRefused(t, edgetest.Validate(t, "{\n{GLOBAL}\n}\nhttp://{SITE} {\n@n "+matcher+"\nclient_mask\nrespond @n 418\n}\n"), want)
	}
}
