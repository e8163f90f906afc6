package caddymodule

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// leakForm is one way to get an address past the edge, or to make it stumble.
//
// In its text, {ip} is the client's address; {mapped}, {hex}, {full}, {upper}, {zone}, {cidr}, {port}, {url}, {pct} and
// {nat64}, with 6to4, are the same in other spellings; {word} has it in what can be a token; {other} is another
// address of the chain; {site} is the right Host and {path} the right path.
type leakForm struct {
	name string
	head string // header lines

	// What only HTTP/1.1 can say; a form with one of them isn't sent over h2 and h3.
	line string // request line
	host string // header line; "-" for none
	body string
	h1   bool

	v4, direct bool // only for clients with an IPv4 address; only for the one without a proxy

	status int    // where it's refused
	reason string // in the body then
}

const (
	ownAddress = "names the client's own address"
	byServer   = "400 Bad Request" // net/http's own
)

// leakForms are the hostile forms. What a client writes in the path, the query and the body is its own
// words and passes, so it's not here.
func leakForms() []leakForm {
	forms := []leakForm{
		{name: "nothing special"},

		// Forged, repeated and aliased, of the client and of another.
		{name: "X-Forwarded-For", head: "X-Forwarded-For: {ip}"},
		{name: "X-Forwarded-For of another", head: "X-Forwarded-For: {other}"},
		{name: "X-Forwarded-For repeated", head: "X-Forwarded-For: {ip}\nX-Forwarded-For: {other}\nX-Forwarded-For: {full}, {ip}"},
		{name: "X-Forwarded-For with ports", head: "X-Forwarded-For: {port}, {other}:80"},
		{name: "X-Forwarded-For of all spellings", head: "X-Forwarded-For: {mapped}, {hex},{full} , {upper},{zone},{pct}, {cidr}"},
		{name: "x-FORWARDED-for", head: "X-FORWARDED-for: {ip}, {other}"},
		{name: "X_Forwarded_For", head: "X_Forwarded_For: {other}, {ip}\nX_Real_IP: {ip}"},
		{name: "x.forwarded.for", head: "x.forwarded.for: {other}, {ip}\nx.real.ip: {ip}"},
		{name: "X-Forwarded_For", head: "X-Forwarded_For: {other}, {ip}\nX.Forwarded-For: {other}"},
		{name: "X!Forwarded~For", head: "X!Forwarded~For: {ip}\nX!Real!IP: {other}, {ip}"},
		{name: "Forwarded-For, X-Forwarded", head: "Forwarded-For: {other}\nX-Forwarded: for={other}\nXFF: {other}\nX-ForwardedFor: {other}"},
		{name: "HTTP_X_FORWARDED_FOR", head: "HTTP_X_FORWARDED_FOR: {other}\nHTTP-X-FORWARDED-FOR: {other}\nHTTP-CLIENT-IP: {other}"},
		{name: "REMOTE_ADDR", head: "REMOTE_ADDR: {other}\nRemote-Addr: {other}\nX-Remote-Addr: {other}\nRemote-IP: {other}"},
		{name: "original X-Forwarded-For", head: "X-Original-Forwarded-For: {other}\nX-Vercel-Forwarded-For: {other}\nX-Forwarded-For-Original: {other}"},
		{name: "masks of ours", head: "Client-Mask: 2001:2f::bad\nclient_mask: 2001:2f::bad\nClient.Mask: 2001:2f::bad\nClient-Network: tor\nClient-Network-Masks: 2001:2e::bad"},

		// Forwarded, RFC 7239.
		{name: "Forwarded", head: "Forwarded: for={ip};by={other};proto=https"},
		{name: "Forwarded, quoted", head: `Forwarded: for="{port}";by="{other}:80", for="{other}"`},
		{name: "Forwarded, bracketed", head: `Forwarded: For="[{full}]:4711", FOR="[{upper}]"`},
		{name: "Forwarded, obfuscated", head: `Forwarded: for=_hidden, for="_SEVKISEK", for=unknown, for={ip}`},
		{name: "Forwarded, broken", head: "Forwarded: for=\"{ip}\nForwarded: ;;;=,for={other}"},

		// Vendors' headers, by name.
		{name: "X-Real-IP", head: "X-Real-IP: {ip}"},
		{name: "X-Real-IP of another", head: "X-Real-IP: {other}"},
		{name: "CDNs", head: "CF-Connecting-IP: {other}\nCF-Connecting-IPv6: {ip}\nCF-Pseudo-IPv4: {other}\nTrue-Client-IP: {other}\nFastly-Client-IP: {other}\n" +
			"Akamai-Origin-Hop-IP: {other}\nX-Sucuri-ClientIP: {other}\nIncap-Client-IP: {other}\nAli-Cdn-Real-Ip: {other}\nCdn-Src-Ip: {other}"},
		{name: "clouds", head: "X-Azure-ClientIP: {other}\nX-Azure-SocketIP: {other}\nX-Appengine-User-Ip: {other}\nX-Appengine-Remote-Addr: {other}\n" +
			"Fly-Client-IP: {other}\nDO-Connecting-IP: {other}\nX-Nf-Client-Connection-Ip: {other}\nX-ARR-ClientIP: {other}"},
		{name: "proxies", head: "X-Client-IP: {other}\nX-Cluster-Client-IP: {other}\nClient-IP: {other}\nProxy-Client-IP: {other}\nWL-Proxy-Client-IP: {other}\n" +
			"X-ProxyUser-Ip: {other}\nX-Originating-IP: {other}\nX-Envoy-External-Address: {other}\nX-Coming-From: {ip}\nX-Remote-IP: {other}\nX-Client-Addr: {other}"},
		{name: "CloudFront-Viewer-Address", head: "CloudFront-Viewer-Address: {ip}:46532"},
		{name: "other forwarding headers", head: "X-Forwarded-By: {other}\nX-Forwarded-Server: {ip}\nX-Forwarded-Host: {url}\nX-Forwarded-Proto: {ip}\nX-Forwarded-Port: {ip}"},
		{name: "Via", head: "Via: 1.1 {ip}, 1.0 squid ({other})"},
		{name: "client certificate", head: `X-Forwarded-Client-Cert: By=spiffe://x;URI={ip};Subject="CN={other}"`},

		// Unknown headers, by value.
		{name: "plain value", head: "X-Visitor: {ip}"},
		{name: "mapped value", head: "X-Visitor: {mapped}"},
		{name: "hex value", head: "X-Visitor: {hex}"},
		{name: "full value", head: "X-Visitor: {full}"},
		{name: "upper-case value", head: "X-Visitor: {upper}"},
		{name: "zoned value", head: "X-Visitor: {zone}"},
		{name: "value with prefix length", head: "X-Visitor: {cidr}"},
		{name: "value with port", head: "X-Visitor: {port}"},
		{name: "value with port, no brackets", head: "X-Visitor: {ip}:4711"},
		{name: "percent-encoded value", head: "X-Visitor: {pct}\nX-Visitor-2: a%20{pct}%2C{ip}"},
		{name: "NAT64 and 6to4 values", head: "X-Visitor: {nat64}\nX-Visitor-2: ::{ip}"},
		{name: "case 1, in usual headers", head: "Cookie: ip={reversed}; id={number}\nReferer: https://wiki.example/?c={twice}\nUser-Agent: bot/1.0 ({number})\nIf-None-Match: \"{number}\"\nX-Forwarded-Host: {reversed}.isp.example"},
		{name: "case 1, by name", head: "X-Remote-Host: {other}\nX-Client-Host: x\nX-Forward-For: {other}\nX-Client-Port: 55848\nX-Remote-Port: 55848\nX-Real-Port: 55848\n" +
			"X-ProxyUser-Ip: {other}\nX-Akamai-Edgescape: georegion=1\nCloudFront-Viewer-City: x\nX-Appengine-Citylatlong: 1,2\nCF-IPCountry: XX\nX_remote.host: {other}"},
		{name: "several in a list", head: "X-Visitor: a, {ip};b={hex}|{full} ({upper})"},
		{name: "repeated", head: "X-Visitor: x\nX-Visitor: {ip}\nX-Visitor: y\nX-Visitor: {hex}"},
		{name: "name=value", head: "X-Visitor: ip={ip}&port=4711"},
		{name: "inside a word", head: "X-Visitor: client_{ip}_x\nX-Visitor-2: v{ip}"},
		{name: "host name", head: "X-Visitor: {ip}.dynamic.isp.example"},
		{name: "followed by more numbers", head: "X-Visitor: {ip}.1712345678901234"},
		{name: "JSON", head: `X-Visitor: {"ip":"{ip}","all":["{hex}","{full}"]}`},
		{name: "JSON, escaped", head: `X-Visitor: "{\"ip\":\u0022{ip}\u0022,\"t\":\"\t{ip}\n{ip}\"}"`},
		{name: "tabs", head: "X-Visitor:\t{ip}\t{ip}"},
		{name: "bytes that are no UTF-8", head: "X-Visitor: \xff{ip}\xfe{hex}\xff"},
		{name: "letters beyond ASCII", head: "X-Visitor: é{ip}ß{hex}"},
		{name: "odd names", head: "~: {ip}\n!#$%&'*+^|: {hex}\nX: {ip}"},
		{name: "name that holds it", head: "X-{word}-Seen: yes\n{word}: 1"},

		// Usual headers.
		{name: "Cookie", head: `Cookie: last={ip}; v6=%22{pct}%22; Apache={ip}.1712345678901234`},
		{name: "Referer", head: "Referer: https://wiki.example/User:{url}?from={pct}"},
		{name: "Origin", head: "Origin: http://{url}:8080"},
		{name: "User-Agent", head: "User-Agent: bot/1.0 (+{ip}; {full})"},
		{name: "Authorization", head: `Authorization: Digest username="{ip}", opaque="{hex}"`},
		{name: "validators and ranges", head: "If-None-Match: \"{ip}\"\nIf-Modified-Since: {ip}\nRange: bytes={ip}\nAccept-Language: {ip}"},
		{name: "Content-Type", head: "Content-Type: text/plain; charset=\"{ip}\"\nContent-Disposition: x; filename=\"{hex}\""},
		{name: "From", head: "From: reader@[{ip}], reader@[IPv6:{full}]"},
		{name: "tracing", head: "Baggage: client.ip={ip},client.v6={pct}\nTraceparent: {ip}"},
		{name: "URLs in headers", head: "X-Original-URL: /?ip={ip}\nX-Rewrite-URL: http://{url}/\nDestination: http://{url}/\nX-Forwarded-Uri: /{ip}"},
		{name: "Proxy", head: "Proxy: http://{url}:3128\nProxy-Authorization: Basic {ip}"},
		{name: "client hints", head: "Sec-CH-UA: \"{ip}\"\nSec-Fetch-Dest: {ip}\nSec-WebSocket-Protocol: {ip}\nDNT: {ip}\nPriority: {ip}"},
	}
	return append(append(forms, hopForms()...), brokenForms()...)
}

// hopForms play with what is between two hops only.
func hopForms() []leakForm {
	return []leakForm{
		{name: "Connection names forwarding headers", h1: true,
			head: "Connection: X-Real-IP, X-Visitor\nX-Real-IP: {ip}\nX-Visitor: {ip}"},
		{name: "Connection names the masks", h1: true,
			head: "Connection: X-Forwarded-For, Client-Mask, Client-Network-Masks, client-network"},
		{name: "Connection holds it", h1: true, head: "Connection: {ip}, keep-alive\nKeep-Alive: host={ip}\nProxy-Connection: {ip}"},
		{name: "Upgrade to it", h1: true, head: "Connection: Upgrade\nUpgrade: {word}"},
		{name: "Upgrade to h2c", h1: true, head: "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: {word}\nX-Visitor: {ip}"},
		{name: "TE", h1: true, head: "TE: trailers, {ip}\nX-Visitor: {ip}"},
		{name: "Expect", line: "POST {path} HTTP/1.1", head: "Expect: 100-continue\nContent-Length: 2\nX-Visitor: {ip}", body: "ok"},
		{name: "Expect something else", h1: true, head: "Expect: {ip}", status: 417},
		{name: "trailers", line: "POST {path} HTTP/1.1", head: "Transfer-Encoding: chunked\nTrailer: X-Real-Ip, X-Visitor",
			body: "2\r\nok\r\n0\r\nX-Real-Ip: {ip}\r\nX-Visitor: {hex}\r\n\r\n"},
		{name: "trailers, undeclared", line: "POST {path} HTTP/1.1", head: "Transfer-Encoding: chunked",
			body: "2\r\nok\r\n0\r\nX-Real-Ip: {ip}\r\nX-Visitor: {hex}\r\n\r\n"},
		{name: "trailers, folded", line: "POST {path} HTTP/1.1", head: "Transfer-Encoding: chunked\nTE: trailers\nTrailer: X-Visitor",
			body: "2\r\nok\r\n0\r\nX-Visitor: x\r\n {ip}\r\n\r\n"},
		{name: "trailers, case 1", line: "POST {path} HTTP/1.1", head: "Transfer-Encoding: chunked\nTrailer: X-Visitor",
			body: "2\r\nok\r\n0\r\nX-Visitor: {number}\r\nX-Late: {reversed}\r\nX-Later: {twice}\r\n\r\n"},
		{name: "chunk extension", line: "POST {path} HTTP/1.1", head: "Transfer-Encoding: chunked", body: "2;ip={ip}\r\nok\r\n0\r\n\r\n"},
		{name: "Trailer holds it", h1: true, head: "Trailer: {word}"},
	}
}

// brokenForms are malformed, oversized, or about the host.
func brokenForms() []leakForm {
	return []leakForm{
		{name: "commas", head: "X-Forwarded-For: ,,,\nForwarded: ,,,\nX-Real-IP: ,"},
		{name: "unknown", head: "X-Forwarded-For: unknown, {ip}\nX-Real-IP: unknown"},
		{name: "open bracket", head: "X-Forwarded-For: [::1\nX-Visitor: [{full}\nX-Visitor-2: {full}]"},
		{name: "unbalanced quotes", head: "X-Forwarded-For: \"{ip}\nX-Visitor: \"{ip}"},
		{name: "numbers beyond", head: "X-Forwarded-For: 999.0.113.77, 1.2.3, ::::, 1:2:3:4:5:6:7:8:9, %%%, {ip}\nX-Visitor: 99999999999999999999.{ip}"},
		{name: "many commas", head: "X-Forwarded-For: " + strings.Repeat(",", 10000) + "{ip}"},
		{name: "many colons", head: "X-Visitor: " + strings.Repeat(":", 3000) + "{ip}"},
		{name: "many percent signs", head: "X-Visitor: " + strings.Repeat("%3A", 1500) + "{ip}"},
		{name: "many addresses", head: "X-Visitor: " + strings.Repeat("{ip}, {hex} ", 150)},
		{name: "huge value", head: "X-Visitor: " + strings.Repeat("x", 10000) + " {ip}"},
		{name: "many headers", head: strings.Repeat("X-Visitor: {ip}\n", 100) + manyHeaders(150)},
		{name: "larger than the server takes", h1: true, head: "X-Visitor: {ip} " + strings.Repeat("x", 30000), status: 431},
		{name: "much larger than the server takes", direct: true, h1: true, head: "X-Visitor: {ip} " + strings.Repeat("x", 2<<20), status: 431},
		{name: "NUL", h1: true, head: "X-Visitor: {ip}\x00", status: 400, reason: byServer},
		{name: "control characters", h1: true, head: "X-Forwarded-For: \x01{ip}\x7f", status: 400, reason: byServer},
		{name: "folded line", h1: true, head: "X-Visitor: x\n {ip}\n\t{hex}"},
		{name: "lone line feeds", h1: true, head: "X-Visitor: x\n{lf}X-Real-IP: {ip}{lf}X-Visitor-2: {ip}"},
		{name: "no colon", h1: true, head: "{word}", status: 400, reason: byServer},
		{name: "space in a name", h1: true, head: "X-Forwarded-For : {ip}", status: 400, reason: byServer},
		{name: "PROXY line in HTTP", line: "PROXY TCP4 {ip} {other} 1 2", status: 400, reason: byServer},
		{name: "HEAD", line: "HEAD {path} HTTP/1.1", head: "X-Visitor: {ip}\nX-Real-IP: {ip}"},
		{name: "CONNECT to it", line: "CONNECT {url}:443 HTTP/1.1", status: 400, reason: ownAddress},
		{name: "HTTP/1.0", line: "GET {path} HTTP/1.0", head: "X-Visitor: {ip}"},
		{name: "long method", line: strings.Repeat("M", 300) + " {path} HTTP/1.1", head: "X-Visitor: {ip}\nX-Real-IP: {other}", status: 405},
		{name: "method that holds it", v4: true, line: "{word} {path} HTTP/1.1", status: 400, reason: ownAddress},

		{name: "absolute target", line: "GET http://{site}{path} HTTP/1.1", head: "X-Visitor: {ip}"},
		{name: "absolute target, its user", line: "GET http://{word}:{word}@{site}{path} HTTP/1.1"},
		{name: "absolute target, its host", line: "GET http://{url}{path} HTTP/1.1", status: 400, reason: ownAddress},
		{name: "target without slash", line: "GET {word} HTTP/1.1", status: 400, reason: byServer},
		{name: "Host twice", host: "Host: {site}\nHost: {ip}", line: "GET {path} HTTP/1.1", status: 400, reason: byServer},
		{name: "no Host", host: "-", line: "GET {path} HTTP/1.1", head: "X-Visitor: {ip}", status: 400},
		{name: "Host is it", host: "Host: {url}", line: "GET {path} HTTP/1.1", status: 400, reason: ownAddress},
		{name: "Host is it, with port", host: "Host: {url}:80", line: "GET {path} HTTP/1.1", status: 400, reason: ownAddress},
		{name: "Host is it, mapped", host: "Host: [{mapped}]", line: "GET {path} HTTP/1.1", status: 400, reason: ownAddress},
		{name: "Host is it, hex", host: "Host: [{hex}]:443", line: "GET {path} HTTP/1.1", status: 400, reason: ownAddress},
		{name: "Host is it, zoned", host: "Host: [{zone}]", line: "GET {path} HTTP/1.1", status: 400, reason: ownAddress},
		{name: "Host is it, padded (case 2)", v4: true, host: "Host: {padded}", line: "GET {path} HTTP/1.1", status: 400, reason: ownAddress},
		{name: "Host is it, octal (case 2)", v4: true, host: "Host: {octal}:80", line: "GET {path} HTTP/1.1", status: 400, reason: ownAddress},
		{name: "Host is it, mixed (case 2)", v4: true, host: "Host: {hexhost}", line: "GET {path} HTTP/1.1", status: 400, reason: ownAddress},
		{name: "Host is it, a number (case 2)", v4: true, host: "Host: {decimal}", line: "GET {path} HTTP/1.1", status: 400, reason: ownAddress},
		{name: "Host is it, three parts (case 2)", v4: true, host: "Host: {parts}.", line: "GET {path} HTTP/1.1", status: 400, reason: ownAddress},
		{name: "Host is its name, reversed (case 2)", v4: true, host: "Host: {reversed}.isp.example", line: "GET {path} HTTP/1.1", status: 400, reason: ownAddress},
		{name: "Host holds it", host: "Host: {ip}.nip.example", line: "GET {path} HTTP/1.1", status: 400, reason: ownAddress},
		{name: "Host holds it inside", host: "Host: www.{ip}.nip.example", line: "GET {path} HTTP/1.1", status: 400, reason: ownAddress},
	}
}

func manyHeaders(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "X-Visitor-%d: {ip}\n", i)
	}
	return b.String()
}

// spellings are those of the client's address.
func spellings(addr netip.Addr) []string {
	full := netip.AddrFrom16(addr.As16()).StringExpanded()
	pairs := []string{"{spelled}", spelledHeaders(addr), "{number}", hex.EncodeToString(addr.AsSlice()), "{ip}", addr.String(), "{full}", full, "{other}", leakOther, "{lf}", "\n"}
	if addr.Is4() {
		b := addr.As4()
		hex := fmt.Sprintf("::ffff:%x:%x", uint16(b[0])<<8|uint16(b[1]), uint16(b[2])<<8|uint16(b[3]))
		return append(pairs,
			"{decimal}", fmt.Sprint(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3])),
			"{padded}", fmt.Sprintf("%03d.%03d.%03d.%03d", b[0], b[1], b[2], b[3]), "{octal}", fmt.Sprintf("0%o.0%o.0%o.0%o", b[0], b[1], b[2], b[3]),
			"{hexhost}", fmt.Sprintf("0x%x.0x%x.%d.%d", b[0], b[1], b[2], b[3]), "{parts}", fmt.Sprintf("%d.%d.%d", b[0], b[1], int(b[2])<<8|int(b[3])),
			"{reversed}", fmt.Sprintf("%d-%d-%d-%d", b[3], b[2], b[1], b[0]), "{twice}", strings.ReplaceAll(addr.String(), ".", "%252E"),
			"{mapped}", "::ffff:"+addr.String(), "{hex}", hex, "{upper}", strings.ToUpper(hex), "{zone}", hex+"%eth0",
			"{cidr}", addr.String()+"/32", "{port}", addr.String()+":4711", "{url}", addr.String(), "{word}", addr.String(),
			"{pct}", strings.ReplaceAll(hex, ":", "%3A"),
			"{nat64}", fmt.Sprintf("64:ff9b::%[1]s 64:ff9b::%[2]s 2002:%[2]s::1", addr, strings.TrimPrefix(hex, "::ffff:")))
	}
	b := addr.As16()
	dotted := fmt.Sprintf("%s%d.%d.%d.%d", full[:len("0000:0000:0000:0000:0000:0000:")], b[12], b[13], b[14], b[15])
	return append(pairs,
		"{reversed}", strings.ReplaceAll(full, ":", "-"), "{twice}", strings.ReplaceAll(addr.String(), ":", "%253A"),
		"{mapped}", dotted, "{hex}", strings.ToUpper(full), "{upper}", strings.ToUpper(addr.String()), "{zone}", addr.String()+"%eth0",
		"{cidr}", addr.String()+"/128", "{port}", "["+addr.String()+"]:4711", "{url}", "["+addr.String()+"]",
		"{word}", strings.ReplaceAll(addr.String(), ":", "-"), "{pct}", strings.ReplaceAll(addr.String(), ":", "%3a"),
		"{nat64}", strings.ToLower(dotted)+"/96")
}

// onlyH1 reports whether h2 and h3 have no such thing.
func (f leakForm) onlyH1() bool { return f.h1 || f.line != "" || f.host != "" || f.body != "" }

func (f leakForm) isFor(c leakClient) bool {
	return (!f.v4 || c.addr.Is4()) && (!f.direct || c.via == "")
}

// request returns the form as bytes.
func (f leakForm) request(c leakClient, site, path, more string) string {
	line, host := f.line, f.host
	if line == "" {
		line = "GET {path} HTTP/1.1"
	}
	switch host {
	case "":
		host = "Host: {site}"
	case "-":
		host = ""
	}
	head := strings.Trim(line+"\n"+host, "\n") + "\n" + c.forwarded() + more
	if f.head != "" {
		head += strings.TrimSuffix(f.head, "\n") + "\n"
	}
	head = strings.ReplaceAll(head, "\n", "\r\n") + "\r\n"
	return expandForm(head+f.body, c, site, path)
}

func expandForm(text string, c leakClient, site, path string) string {
	return strings.NewReplacer(append(spellings(c.addr), "{site}", site, "{path}", path)...).Replace(text)
}

// header returns the form's header for a client that is not given bytes.
func (f leakForm) header(c leakClient) http.Header {
	h := make(http.Header)
	for line := range strings.SplitSeq(expandForm(c.forwarded()+f.head, c, "", ""), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			h[http.CanonicalHeaderKey(name)] = append(h[http.CanonicalHeaderKey(name)], strings.TrimSpace(value))
		}
	}
	return h
}
