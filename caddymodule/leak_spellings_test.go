package caddymodule

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// leakSpellings are ways to write an address that are not its text, as balancers, name servers and formats do. They share no
// code with what finds them.
func leakSpellings(addr netip.Addr) []string {
	if !addr.Is4() {
		return leakSpellingsV6(addr.As16())
	}
	b := addr.As4()
	n := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	join := func(form, separator string) string {
		return fmt.Sprintf(strings.Join([]string{form, form, form, form}, separator), b[0], b[1], b[2], b[3])
	}
	back := func(separator string) string {
		return fmt.Sprintf(strings.Join([]string{"%d", "%d", "%d", "%d"}, separator), b[3], b[2], b[1], b[0])
	}
	dotted := addr.String()
	return append([]string{
		fmt.Sprintf("%08X:DA28_7F000001:5A32_652_0001:1", n), fmt.Sprintf("%08x", n), fmt.Sprintf("0x%08x", n), fmt.Sprint(n), fmt.Sprintf("0%o", n),
		join("%03d", "."), join("0%o", "."), join("0x%x", "."), fmt.Sprintf("0x%x.0%o.%d.%d", b[0], b[1], b[2], b[3]),
		join("%d", "-") + ".isp.example", back("-") + ".isp.example", back(".") + ".in-addr.arpa", join("%d", "_"), "[" + join("%d", ", ") + "]",
		join("%02x", ":"), join("%02x", "-"), `\x` + join("%02x", `\x`), join("%%%02x", ""),
		base64.StdEncoding.EncodeToString(b[:]), fmt.Sprintf("2001:0:4136:e378:8000:63bf:%x:%x", ^n>>16, ^n&0xffff), fmt.Sprintf("fe80::5efe:%x:%x", n>>16, n&0xffff),
		fmt.Sprint(int32(n)), "dsl" + join("%03d", "") + ".isp.example", mappedNibbles(n) + ".ip6.arpa",
		"100%" + dotted, "2001:db8:9::1%" + dotted,
	}, leakCodings(dotted)...)
}

// mappedNibbles are the digits of ::ffff:127.0.0.1 from behind.
func mappedNibbles(n uint32) string {
	nibbles := strings.Split(fmt.Sprintf("%024x%08x", 0xffff, n), "")
	slices.Reverse(nibbles)
	return strings.Join(nibbles, ".")
}

func leakSpellingsV6(b [16]byte) []string {
	full, digits := netip.AddrFrom16(b).StringExpanded(), hex.EncodeToString(b[:])
	nibbles := strings.Split(digits, "")
	slices.Reverse(nibbles)
	return append([]string{
		digits, strings.ToUpper(digits), "id=" + digits[:16], strings.ReplaceAll(full, ":", "-"), strings.ReplaceAll(full, ":", "_"), full[:19],
		strings.ReplaceAll(fmt.Sprint(b[:]), " ", ", "), strings.Join(nibbles, ".") + ".ip6.arpa", base64.StdEncoding.EncodeToString(b[:]), strings.ToUpper(full[:9]) + full[9:],
	}, leakCodings(full)...)
}

// leakCodings are the text of an address in what it is handed on in.
func leakCodings(text string) []string {
	marks := func(form string) string {
		return strings.NewReplacer(".", fmt.Sprintf(form, '.'), ":", fmt.Sprintf(form, ':')).Replace(text)
	}
	var all strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&all, "%%%02x", c)
	}
	return []string{
		marks("%%%02X"), marks("%%25%02X"), marks(`\u%04x`), marks("&#%d;"), marks("&#x%x;"), all.String(), strings.ReplaceAll(all.String(), "%", "%25"),
		base64.StdEncoding.EncodeToString([]byte(text)), base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"1","ip":"` + text + `"}`)), hex.EncodeToString([]byte(text)),
	}
}

// spelledHeaders are header lines with all of them.
func spelledHeaders(addr netip.Addr) string {
	var lines strings.Builder
	for i, spelled := range leakSpellings(addr) {
		fmt.Fprintf(&lines, "X-Spelled-%d: a=%s; b\n", i, spelled)
	}
	return strings.TrimSuffix(lines.String(), "\n")
}

// wantNoSpelling fails where one of the spellings of an address is in data.
func wantNoSpelling(t *testing.T, where string, data []byte, addr netip.Addr) {
	t.Helper()
	text := strings.ToLower(string(data))
	for _, spelled := range leakSpellings(addr) {
		for _, ending := range []string{":5A32_652_0001:1", "_7F000001", ".isp.example", ".in-addr.arpa", ".ip6.arpa"} {
			spelled = strings.TrimSuffix(spelled, ending)
		}
		if strings.HasPrefix(spelled, "2001:0:") || strings.HasPrefix(spelled, "fe80::5efe") {
			spelled = spelled[strings.LastIndexByte(spelled[:strings.LastIndexByte(spelled, ':')], ':')+1:]
		}
		if i := strings.Index(text, strings.ToLower(spelled)); i >= 0 {
			t.Errorf("%s: the address %s is there as %q: …%q…", where, addr, spelled, edgetest.Around(text, i))
		}
	}
}

// Case 1. No spelling of the address reaches an app, over any protocol of clients, behind any upstream (HTTP/1.1,
// h2c, FastCGI, PROXY protocol, WebSocket and the others of the leak tests).
func TestCase1LeakSpellings(t *testing.T) {
	e := newLeakEdge(t, leakConfig, "client_mask")
	form := leakForm{name: "every spelling", head: "{spelled}"}
	for _, c := range leakClients() {
		t.Run(c.name, func(t *testing.T) {
			for _, u := range e.upstreams {
				if u.takes(form) {
					t.Run(u.name, func(t *testing.T) { tryForm(t, e, u, c, form, nil) })
				}
			}
			for _, protocol := range []string{"h1", "h2", "h3"} {
				t.Run(protocol, func(t *testing.T) {
					tryFormOverTLS(t, e, overTLS(t, protocol, c.source, e.tls, e.roots), c, form)
				})
			}
		})
	}
}

// Case 1. Nor does one reach anybody in an app's response headers or trailers, as the app may know the address from elsewhere.
func TestCase1LeakSpellingsInResponses(t *testing.T) {
	clients := map[string]leakClient{"one": leakClients()[0], "two": leakClients()[2]}
	a := newLeakApp(t, wireH1, func(w http.ResponseWriter, r *http.Request) {
		spelled := leakSpellings(clients[r.Header.Get("X-Who")].addr)
		w.Header().Set("Trailer", "X-End")
		for i, s := range spelled {
			w.Header().Set(fmt.Sprintf("X-Spelled-%d", i), s)
		}
		io.WriteString(w, "body")
		w.Header().Set("X-End", strings.Join(spelled, " "))
		for i, s := range spelled {
			w.Header().Set(fmt.Sprintf("%sX-Late-%d", http.TrailerPrefix, i), s)
		}
	})
	e := edgetest.New(t, `{
		{GLOBAL}
		servers {
			trusted_proxies static `+leakRange+`
			trusted_proxies_strict
		}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		client_mask
		reverse_proxy `+a.Address()+`
	}`)
	for who, c := range clients {
		r, err := http.NewRequest("GET", "http://"+e.Site+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = leakForm{head: "X-Who: " + who}.header(c)
		resp, err := edgetest.From(t, c.source).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != "body" || len(resp.Header) < 20 || len(resp.Trailer) < 20 {
			t.Errorf("%q, %v, %d headers, %d trailers", body, err, len(resp.Header), len(resp.Trailer))
		}
		wantNoSpelling(t, "the response", dumpHeader(resp.Header), c.addr)
		wantNoSpelling(t, "its trailers", dumpHeader(resp.Trailer), c.addr)
	}
}
