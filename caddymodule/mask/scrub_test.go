package mask

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/masking/spelling"
)

func TestCarriesAddress(t *testing.T) {
	for _, name := range []string{
		"X-Forwarded-For", "Forwarded", "X-Forwarded", "Forwarded-For", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip",
		"Cf-Connecting-Ipv6", "Cf-Pseudo-Ipv4", "Fastly-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Forwarded-For",
		"X-Envoy-External-Address", "X-Appengine-User-Ip", "X-Azure-Clientip", "X-Azure-Socketip", "X-Proxyuser-Ip",
		"Wl-Proxy-Client-Ip", "Proxy-Client-Ip", "Client-Ip", "X-Remote-Ip", "X-Remote-Addr", "Remote-Addr", "X-Originating-Ip",
		"Via", "X_forwarded_for", "X.forwarded.for", "x-real-ip", "REMOTE_ADDR", "X-Acme-Visitor-Ipaddress", "Xff", "X-Xff",
		"X-Remote-Host", "X-Client-Host", "X-Forward-For", "X-Client-Port", "X-Remote-Port", "X-Real-Port", "X-ProxyUser-Ip", "X_remote.host", // case 1
		"X-Akamai-Edgescape", "Cloudfront-Viewer-Address", "Cloudfront-Viewer-Country", "Cloudfront-Viewer-City", "Cloudfront-Viewer-Latitude",
		"Cloudfront-Viewer-Tls", "Cloudfront-Viewer-Ja3-Fingerprint", "Cloudfront-Viewer-Time-Zone", "Cloudfront-Viewer-Asn", "Cloudfront-Viewer-Http-Version",
		"X-Appengine-Citylatlong", "X-Appengine-Country", "X-Appengine-City", "X-Appengine-Region", "Cf-Ipcountry", "Cf-Ipcity", "Cf-Iplatitude", "Cf-Ipcontinent",
		"Cf-Region", "Cf-Timezone", "Cf-Metro", "X-Geo-Country", "X-Geo-City", "X-Geoip-Asn", "Geoip_country_code", "X-Nf-Geo", "X-Country-Code", "Cdn-Requestcountrycode",
		"X-Vercel-Ip-Country", "X-Vercel-Ip-City", "X-Vercel-Ip-Latitude", "X-Client-Geo-Location", "X-Client-Region", "X-Client-City", "Fastly-Geo-Lat",
		"X-Source-Port", "X-Src-Port", "X-Peer-Port", "Ali-Cdn-Real-Port", "X-Azure-Clientport", "X-Client-Hostname", "Remote-Host", "Remote_port", "X-User-Country",
		"X-Ja3-Hash", "X-Azure-Ja4-Fingerprint", "X-Tls-Fingerprint", "X-Client-Asn", "X-Isp", "X-Remote-Dns", "X-Real-Host", "X-Visitor-Country", "Mm-Country-Code",
		"Http-X-Forwarded-For", "Fly-Client-Ip", "X-Vercel-Forwarded-For", "Do-Connecting-Ip", "Ali-Cdn-Real-Ip", "X-Forwarded-By", "X-Forwarded-Server",
	} {
		if !carriesAddress(name) {
			t.Errorf("%s is passed on", name)
		}
	}
	for _, name := range []string{
		"Accept", "Cookie", "Content-Type", "X-Forwarded-Proto", "X-Forwarded-Host", "Content-Description", "X-Strip", "X-Zip",
		"X-Requested-With", "Sec-Websocket-Protocol", "Traceparent", "X-Description", "Authorization", "Cdn-Loop", "Zip", "X-Skip-Cache", "I", "",
		"Remote-User", "X-Remote-User", "X-Remote-Email", "X-User-Id", "X-User-Agent", "X-Client-Version", "X-Client-Id", "X-Client-Data", "X-Client-Cert", "Ssl-Client-Fingerprint",
		"X-Request-Id", "X-Unique-Id", "X-Http-Method-Override", "X-Csrf-Token", "X-Real-User", "X-Source", "X-Source-Version", "X-Visitor", "Cf-Visitor", "Cf-Ray", "Host",
		"X-Original-Host", "X-Host", "X-Port", "X-Region", "X-Location", "X-Request-Start", "X-Api-Version", "Sec-Ch-Ua-Full-Version-List", "Sec-Ch-Prefers-Color-Scheme",
		"If-Unmodified-Since", "Tracestate", "Baggage", "X-Wiki-Locality", "X-Capacity", "Content-Location", "Last-Event-Id", "X-Peer-Id", "X-End-Of-Line", "Client-Version",
	} {
		if carriesAddress(name) {
			t.Errorf("%s is dropped", name)
		}
	}
}

func TestForgedHeadersOfOursAreDropped(t *testing.T) {
	h := http.Header{
		"Client-Mask": {"x"}, "Client-Network": {"x"}, "Client-Network-Masks": {"x"},
		"Client_mask": {"x"}, "client.network": {"x"}, "CLIENT_NETWORK_MASKS": {"x"}, "Client-Masks": {"kept"},
	}
	n := needleOf(netip.MustParseAddr("203.0.113.9"), 64, "M")
	n.scrubRequest(h)
	if len(h) != 1 || h.Get("Client-Masks") != "kept" {
		t.Errorf("left: %v", h)
	}
}

func needleOf(addr netip.Addr, v6Prefix int, mask string) needle {
	finder := spelling.NewFinder(reqstate.Prefix(addr, v6Prefix))
	return needle{&finder, mask}
}

func TestScrubByValue(t *testing.T) {
	v4 := needleOf(netip.MustParseAddr("203.0.113.9"), 64, "M")
	v6 := needleOf(netip.MustParseAddr("2001:db8:1:2:3::4"), 64, "M")
	for _, c := range []struct {
		name     string
		needle   needle
		in, want string
	}{
		{"alone", v4, "203.0.113.9", "M"},
		{"in a cookie", v4, "a=1; ip=203.0.113.9; b=2", "a=1; ip=M; b=2"},
		{"in a URL", v4, "https://w.example/?u=203.0.113.9", "https://w.example/?u=M"},
		{"with port", v4, "203.0.113.9:4711", "[M]:0"},
		{"mapped", v4, "::ffff:203.0.113.9", "M"},
		{"mapped in hex", v4, "::ffff:cb00:7109", "M"},
		{"mapped in full", v4, "0:0:0:0:0:ffff:cb00:7109", "M"},
		{"mapped, percent-encoded", v4, "a=%3A%3Affff%3Acb00%3A7109", "a=M"},
		{"another's", v4, "203.0.113.90 and 198.51.100.7", "203.0.113.90 and 198.51.100.7"},
		{"among more numbers", v4, "1.203.0.113.9.1", "1.M.1"},
		{"glued to words", v4, "client_203.0.113.9_x", "client_M_x"},
		{"part of a number", v4, "1203.0.113.90", "1203.0.113.90"},
		{"IPv6", v6, "2001:db8:1:2:3::4", "M"},
		{"IPv6 in capitals and full", v6, "2001:0DB8:0001:0002:0003:0000:0000:0004", "M"},
		{"IPv6 with zone and port", v6, "[2001:db8:1:2:3::4%eth0]:99", "[M]:0"},
		{"another address of its /64", v6, "for=\"[2001:db8:1:2::99]\"", "for=\"[M]\""},
		{"another /64", v6, "2001:db8:1:3::4", "2001:db8:1:3::4"},
		{"percent-encoded", v6, "ip=2001%3Adb8%3a1:2:3::4", "ip=M"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{"X": {"first", c.in}}
			c.needle.scrub(h, nil)
			if got := h["X"][1]; got != c.want || h["X"][0] != "first" {
				t.Errorf("%q gives %q, want %q", c.in, got, c.want)
			}
		})
	}
}

// FuzzScrub shows that what strangers put around an address does not save it.
func FuzzScrub(f *testing.F) {
	f.Add("a=", ";b")
	f.Add("%", "%3A")
	f.Add("[", "]:80")
	f.Add("::ffff:", ".")
	addr := netip.MustParseAddr("203.0.113.9")
	n := needleOf(addr, 64, "2001:2f::1")
	f.Fuzz(func(t *testing.T, before, after string) {
		h := http.Header{"X": {before + " " + addr.String() + " " + after}}
		n.scrub(h, nil)
		if strings.Contains(h["X"][0], " "+addr.String()+" ") {
			t.Fatalf("left in %q", h["X"][0])
		}
	})
}

// Friction 12. Where the client has an address that the edge's own policy names, as on one machine, the policy stays as it was
// written; the app's headers don't.
func TestFriction12OwnPolicyIsLeftAlone(t *testing.T) {
	a := edgetest.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "<http://127.0.0.1:5173/style.css>")
		io.WriteString(w, "page")
	})
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://:{PORT} {
		client_mask
		csp mediawiki {
			allow connect-src http://127.0.0.1:5173
		}
		reverse_proxy `+a.Address()+`
	}`)
	r, err := http.NewRequest("GET", "http://"+e.Site+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "wiki.test"
	resp, err := edgetest.From(t, "127.0.0.1").Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "connect-src") || !strings.Contains(policy, "http://127.0.0.1:5173") {
		t.Errorf("the policy is %q", policy)
	}
	if link := resp.Header.Get("Link"); strings.Contains(link, "127.0.0.1") || !strings.Contains(link, edgetest.ClientMask(t, "127.0.0.1")) {
		t.Errorf("the app's header is %q", link)
	}
}

// Case 1. HAProxy's documented unique-id-format, and the headers that tell by name.
func TestCase1HAProxy(t *testing.T) {
	n := needleOf(netip.MustParseAddr("127.11.22.33"), 64, "2001:2f::1")
	for in, want := range map[string]string{
		"7F0B1621:DA28_7F000001:5A32_652_0001:1": "[2001:2f::1]:0_7F000001:5A32_652_0001:1",
		"127.011.022.033":                        "2001:2f::1",
		"33-22-11-127.isp.example":               "2001:2f::1.isp.example",
		"33.22.11.127.in-addr.arpa":              "2001:2f::1.in-addr.arpa",
		"127%252E11%252E22%252E33:55848":         "[2001:2f::1]:0",
		"a=127%2E11%2E22%2E33%3A55848&b":         "a=[2001:2f::1]:0&b",
		"127-11-22-33-55848.isp.example":         "[2001:2f::1]:0.isp.example",
		"7f0b1621da28":                           "[2001:2f::1]:0",
	} {
		if got, _ := n.Replace(in, n.mask); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}
