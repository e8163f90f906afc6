package selfcheck

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// What the invented readers ask each tool for.
const (
	Path = "/wikiveil-canary?x=1"
	// Body is what they POST.
	Body     = `{"wikiveil":"canary"}`
	bodyType = "application/json"

	eventStream = "text/event-stream"

	// PseudonymHeader is the one header that a pseudonym may stand in, and Placeholder what stands there in a transcript.
	PseudonymHeader = "Client-Pseudonym"
	Placeholder     = "PSEUDONYM-OF-A-READER"
)

// splitOrigin returns the scheme and the host, without a port.
func splitOrigin(origin string) (scheme, host string) {
	u, err := url.Parse(origin)
	if err != nil { // on no board
		return "", ""
	}
	return u.Scheme, u.Hostname()
}

// requestsOf are all the ways in which readers make the proxy ask a tool.
func requestsOf(tool *noticeboard.Tool) (all []Request) {
	protocols := []string{HTTP1}
	if strings.HasPrefix(tool.Origin, "https://") {
		protocols = []string{HTTP2, HTTP1}
	}
	add := func(kind noticeboard.Kind, method string, stream noticeboard.Stream) {
		for _, protocol := range protocols {
			all = append(all, Request{Kind: kind, Method: method, Protocol: protocol, Stream: stream})
		}
	}
	first := noticeboard.Kind("")
	for _, kind := range noticeboard.Kinds() {
		if tool.Has(kind) {
			add(kind, http.MethodGet, "")
			if first == "" || kind == noticeboard.Data { // data is what gadgets POST
				first = kind
			}
		}
	}
	add("", http.MethodGet, "")
	for _, method := range tool.Methods {
		if method != http.MethodGet {
			add(first, method, "")
		}
	}
	if tool.Opens(noticeboard.Events) {
		add(noticeboard.Data, http.MethodGet, noticeboard.Events)
	}
	return all
}

// uses are how a browser says what it asks for, and a type that the proxy lets through for it.
var uses = map[noticeboard.Kind]struct{ dest, mode, contentType string }{
	noticeboard.Img:   {"image", "no-cors", "image/png"},
	noticeboard.Font:  {"font", "cors", "font/woff2"},
	noticeboard.Style: {"style", "no-cors", "text/css"},
	noticeboard.Media: {"audio", "no-cors", "audio/ogg"},
	noticeboard.Data:  {"empty", "cors", "application/json"},
}

// typeOf is the type with which the echo answers a request.
func typeOf(q *Request, tool *noticeboard.Tool) string {
	kind := q.Kind
	if q.Stream == noticeboard.Events {
		return eventStream
	}
	for _, k := range noticeboard.Kinds() {
		if kind == "" && tool.Has(k) {
			kind = k
		}
	}
	return uses[kind].contentType
}

// Reader is an invented reader.
type Reader struct {
	// Client is an invented mask.
	Client string
	// Marks are texts that tell who the reader is, too long to be met by chance.
	Marks []string

	host, address, protocol string
	header                  http.Header
	exposed                 bool // by a pseudonym
}

// Conceal returns what a tool gets in place of the reader's pseudonym: one constant for both
// readers, or "" where there is no pseudonym.
func (who *Reader) Conceal(pseudonym string) string {
	if pseudonym == "" {
		return ""
	}
	for _, mark := range append([]string{who.Client}, who.Marks...) {
		who.exposed = who.exposed || strings.Contains(strings.ToLower(pseudonym), mark)
	}
	return Placeholder
}

// Readers are two who differ in all that a browser, a network or a gadget could tell of
// them. Their addresses are of the ranges for documentation.
func Readers() [2]*Reader {
	ada := &Reader{Client: "2001:2f:ada:ada:ada:ada:ada:ada", Marks: []string{"192.0.2.17", "ada-lovelace", "ada0123456789abcdef"},
		host: "wiki.example", address: "192.0.2.17:40001", protocol: "HTTP/1.1"}
	ada.header = http.Header{
		"User-Agent":                {"ada/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"},
		"Accept":                    {"*/*;q=0.8, ada/ada"},
		"Accept-Language":           {"de-AT,de;q=0.9,ada"},
		"Accept-Encoding":           {"gzip, deflate, br, zstd, ada"},
		"Cookie":                    {"wikiSession=ada0123456789abcdef; wikiUserName=ada-lovelace; wikiUserID=ada1815"},
		"Authorization":             {"Bearer ada-token-0123456789"},
		"Referer":                   {"https://wiki.example/wiki/User:Ada-lovelace"},
		"X-Forwarded-For":           {"192.0.2.17"},
		"Forwarded":                 {"for=192.0.2.17;host=wiki.example"},
		"X-Real-Ip":                 {"192.0.2.17"},
		"Client-Mask":               {ada.Client},
		"Range":                     {"bytes=0-"},
		"If-None-Match":             {`"ada"`},
		"Dnt":                       {"1"},
		"Sec-Gpc":                   {"1"},
		"Te":                        {"trailers"},
		"Priority":                  {"u=4, i"},
		"Traceparent":               {"00-0ada0ada0ada0ada0ada0ada0ada0ada-0ada0ada0ada0ada-01"},
		"X-Request-Id":              {"ada-1"},
		"X-Ada":                     {"ada"},
		"Connection":                {"keep-alive"},
		"Upgrade-Insecure-Requests": {"1"},
	}
	bob := &Reader{Client: "2001:2f:b0b:b0b:b0b:b0b:b0b:b0b", Marks: []string{"2001:db8:b0b::1", "bob-the-builder", "bob9876543210fedcba"},
		host: "m.wiki.example:8443", address: "[2001:db8:b0b::1]:50002", protocol: "HTTP/2.0"}
	bob.header = http.Header{
		"User-Agent":          {"bob/5.0 (Linux; Android 16) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36"},
		"Accept":              {"bob/*"},
		"Accept-Language":     {"pt-BR,bob;q=0.5"},
		"Accept-Encoding":     {"bob"},
		"Accept-Charset":      {"bob"},
		"Cookie":              {"wikiSession=bob9876543210fedcba", "wikiUserName=bob-the-builder", "m=bob-mobile"},
		"Proxy-Authorization": {"Basic Ym9iOmJvYg=="},
		"Referer":             {"https://m.wiki.example:8443/wiki/Bob-the-builder"},
		"X-Forwarded-For":     {"2001:db8:b0b::1, 2001:db8:b0b::2"},
		"X-Forwarded-Host":    {"bob.example"},
		"Via":                 {"2 bob"},
		"True-Client-Ip":      {"2001:db8:b0b::1"},
		"Cf-Connecting-Ip":    {"2001:db8:b0b::1"},
		"Client-Mask":         {bob.Client},
		"Client-Network":      {"bob"},
		"If-Modified-Since":   {"Thu, 01 Jan 2026 00:00:00 GMT"},
		"Cache-Control":       {"max-age=0"},
		"Pragma":              {"bob"},
		"Sec-Ch-Ua":           {`"bob";v="156"`},
		"Sec-Ch-Ua-Mobile":    {"?1"},
		"Sec-Ch-Ua-Platform":  {`"bob"`},
		"Device-Memory":       {"8"},
		"Save-Data":           {"on"},
		"Rtt":                 {"50"},
		"Baggage":             {"user=bob"},
		"X-Requested-With":    {"bob"},
		"X-Bob":               {"bob"},
		"Sec-Fetch-User":      {"?1"},
	}
	return [2]*Reader{ada, bob}
}

// request is a request as the edge gets it of the reader. In the Fetch metadata the
// readers are alike, as these say what is asked for.
func (who *Reader) request(ctx context.Context, q *Request, prefix, tool string) *http.Request {
	path, query, _ := strings.Cut(prefix+tool+Path, "?")
	r := (&http.Request{Method: q.Method, URL: &url.URL{Path: path, RawQuery: query}, Body: http.NoBody}).WithContext(ctx)
	r.RequestURI, r.Host, r.RemoteAddr = path+"?"+query, who.host, who.address
	r.Proto, r.ProtoMajor, r.ProtoMinor = who.protocol, int(who.protocol[5]-'0'), int(who.protocol[7]-'0')
	r.Header = who.header.Clone()
	if q.Method == http.MethodPost {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(Body)), int64(len(Body))
		r.Header.Set("Content-Type", bodyType)
		r.Header.Set("Content-Length", strconv.Itoa(len(Body)))
		r.Header.Set("Origin", "https://"+who.host)
	}
	if q.Stream == noticeboard.Events { // as EventSource does
		r.Header.Set("Accept", eventStream)
		r.Header.Set("Cache-Control", "no-cache")
	}
	if use, ok := uses[q.Kind]; ok {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: who.host}
		r.Header.Set("Sec-Fetch-Dest", use.dest)
		r.Header.Set("Sec-Fetch-Mode", use.mode)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}
