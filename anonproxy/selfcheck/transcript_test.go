package selfcheck

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/net/http2"

	"github.com/wikiveil/wikiveil/noticeboard"
)

func expect(*Transcript) Expect { return Expect{Now: moment.Add(time.Hour), Prefix: "/.tools/"} }

func TestSignAndOpen(t *testing.T) {
	signer, verifier := keys(t)
	made := full(t)
	data := mustSign(t, made, signer)
	opened, err := Open(data, verifier)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(opened, made) {
		t.Errorf("got %+v, want %+v", opened, made)
	}
	if err := opened.Verify(expect(made)); err != nil {
		t.Error(err)
	}
	if len(opened.Differences) > 0 || !opened.Tool.Pseudonym || len(opened.Requests) != 18 {
		t.Errorf("differences %q, pseudonym %v, %d requests", opened.Differences, opened.Tool.Pseudonym, len(opened.Requests))
	}
	for _, q := range opened.Requests {
		if m, err := read(q.Protocol, q.Bytes); err != nil || !slices.Contains(m.fields, Field{"client-pseudonym", Placeholder}) {
			t.Errorf("%v: no placeholder in %q", q, q.Bytes)
		}
	}
	// Others may vouch for it too, as witnesses of logs do.
	other, _ := keys(t)
	n, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	witnessed, err := note.Sign(n, other)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Open(witnessed, verifier); err != nil || !reflect.DeepEqual(again, made) {
		t.Errorf("with a witness's signature: %+v, %v", again, err)
	}
}

// No byte of a note can be another.
func TestOpenRefusesAnyOtherByte(t *testing.T) {
	signer, verifier := keys(t)
	tool := declared(t, noticeboard.Tool{Origin: "http://127.0.0.1:1", Kinds: []noticeboard.Kind{noticeboard.Style}})
	data := mustSign(t, transcriptOf(tool, mustRun(t, tool, nil)), signer)
	want, err := Open(data, verifier)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		changed := bytes.Clone(data)
		changed[i] ^= 1
		got, err := Open(changed, verifier)
		switch {
		case err == nil && reflect.DeepEqual(got, want): // base64's last bits
		case err == nil:
			t.Fatalf("byte %d: accepted as %+v", i, got)
		case !errors.Is(err, ErrForm) && !errors.Is(err, ErrSignature):
			t.Fatalf("byte %d: %v", i, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	signer, verifier := keys(t)
	_, other := keys(t)
	made := full(t)
	data := mustSign(t, made, signer)
	resigned := func(change func(*Transcript)) []byte {
		own := *made
		change(&own)
		return mustSign(t, &own, signer)
	}
	text := func(text string) []byte {
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	for name, tc := range map[string]struct {
		data []byte
		key  note.Verifier
		want error
		text string
	}{
		"another key":      {data, other, ErrSignature, "another key"},
		"nothing":          {nil, verifier, ErrForm, "no signed note"},
		"cut":              {data[:len(data)-1], verifier, ErrForm, "no signed note"},
		"more after it":    {append(bytes.Clone(data), "{}"...), verifier, ErrForm, "no signed note"},
		"no signature":     {data[:bytes.LastIndex(data, []byte("\n\n"))+2], verifier, ErrForm, "no signed note"},
		"a signature less": {bytes.Replace(data, []byte("\u2014 wiki "), []byte("\u2014 wiko "), 1), verifier, ErrSignature, ""},
		"too long":         {append(data, bytes.Repeat([]byte{' '}, MaxSize)...), verifier, ErrForm, "over 1048576 bytes"},
		"not JSON":         {text(Format + "\nhello\n"), verifier, ErrForm, "other fields or values"},
		"two values":       {text(Format + "\n" + `{"sequence":1}{"sequence":1}` + "\n"), verifier, ErrForm, "other fields or values"},
		"no declaration":   {text(Format + "\n" + `{"sequence":1}` + "\n"), verifier, ErrForm, "its declaration is none"},
		"not normal":       {resigned(func(t *Transcript) { t.Tool.Origin += "/" }), verifier, ErrForm, "none that a board has"},
		"for consent":      {resigned(func(t *Transcript) { t.Tool.Access, t.Tool.Pseudonym = noticeboard.ByConsent, false }), verifier, ErrForm, "none that a board has"},
		"a strange method": {resigned(func(t *Transcript) { t.Tool.Methods = []string{"\x1b"} }), verifier, ErrForm, "its declaration is none"},
		"an unknown field": {text(Format + "\n" + `{"sequence":1,"colour":"red"}` + "\n"), verifier, ErrForm, "other fields or values"},
		"a later format":   {text("wikiveil/v2/transcript\n{}\n"), verifier, ErrForm, "unknown format"},
		"no sequence":      {resigned(func(t *Transcript) { t.Sequence = 0 }), verifier, ErrForm, "sequence"},
		"first of several": {resigned(func(t *Transcript) { t.Sequence = 1 }), verifier, ErrForm, "sequence"},
		"cut from before":  {resigned(func(t *Transcript) { t.Previous = "" }), verifier, ErrForm, "sequence"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Open(tc.data, tc.key); got != nil || !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v, %v, want %v with %q", got, err, tc.want, tc.text)
			}
		})
	}
}

// Each part of a signed transcript is checked for what it says.
func TestVerifyFindsFault(t *testing.T) {
	signer, verifier := keys(t)
	made := mustSign(t, full(t), signer)
	h1, h2 := -1, -1
	fresh := func() *Transcript {
		own, err := Open(made, verifier)
		if err != nil {
			t.Fatal(err)
		}
		return own
	}
	post, head := -1, -1
	for i, q := range fresh().Requests {
		switch {
		case q.Method == "POST" && q.Protocol == HTTP1:
			post = i
		case q.Method == "HEAD" && q.Protocol == HTTP2:
			head = i
		case q.Protocol == HTTP1 && h1 < 0:
			h1 = i
		case q.Protocol == HTTP2 && h2 < 0:
			h2 = i
		}
	}
	again := func(t *Transcript, i int, change func(string) string) {
		t.Requests[i].Bytes = []byte(change(string(t.Requests[i].Bytes)))
	}
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	for name, tc := range map[string]struct {
		change func(*Transcript)
		want   error
		text   string
	}{
		"old":                     {func(t *Transcript) { t.Time = moment.Add(-3 * time.Hour) }, ErrStale, "2026-11-22T18:00:00Z"},
		"old with a long promise": {func(t *Transcript) { t.Time, t.Every = moment.Add(-72*time.Hour), 1<<62 }, ErrStale, "of the last 72h"},
		"negative promise":        {func(t *Transcript) { t.Every = -1 << 62 }, ErrStale, "of the last 0s"},
		"from the future":         {func(t *Transcript) { t.Time = moment.Add(2 * time.Hour) }, ErrFuture, ""},
		"a difference":            {func(t *Transcript) { t.Differences = []string{"GET img"} }, ErrUnequal, "GET img"},
		"no requests":             {func(t *Transcript) { t.Requests = nil }, ErrContradicts, "and no others"},
		"too many requests":       {func(t *Transcript) { t.Requests = slices.Repeat(t.Requests, 9) }, ErrContradicts, "and no others"},
		"all refused": {func(t *Transcript) {
			for i, q := range t.Requests {
				t.Requests[i] = Request{Kind: q.Kind, Method: q.Method, Protocol: q.Protocol, Stream: q.Stream, Refused: "403"}
			}
		}, ErrContradicts, "refuses all"},
		"refused and sent":           {func(t *Transcript) { t.Requests[h1].Refused = "403" }, ErrContradicts, "refused and sent"},
		"a second one":               {func(t *Transcript) { t.Requests[h1].Second = []byte("x") }, ErrUnequal, ""},
		"another method":             {func(t *Transcript) { again(t, h1, replace("GET", "HEAD")) }, ErrForeign, `":method"`},
		"another method over HTTP/2": {func(t *Transcript) { t.Requests[h2].Bytes = t.Requests[head].Bytes }, ErrForeign, `":method"`},
		"another kind":               {func(t *Transcript) { t.Requests[h1].Kind = noticeboard.Font }, ErrContradicts, "must have [GET img over h2 "},
		"another protocol":           {func(t *Transcript) { t.Requests[h2].Bytes = t.Requests[h1].Bytes }, ErrContradicts, "no preface"},
		"the other protocol":         {func(t *Transcript) { t.Requests[h1].Bytes = t.Requests[h2].Bytes }, ErrForeign, `"PRI"`},
		"an unknown protocol":        {func(t *Transcript) { t.Requests[h1].Protocol = "h3" }, ErrContradicts, "and no others"},
		"an unknown kind":            {func(t *Transcript) { t.Requests[h1].Kind = "\x1b" }, ErrContradicts, "and no others"},
		"an unknown method":          {func(t *Transcript) { t.Requests[h1].Method = "PUT" }, ErrContradicts, "and no others"},
		"an unknown stream":          {func(t *Transcript) { t.Requests[h1].Stream = "websocket" }, ErrContradicts, "and no others"},
		"no bytes":                   {func(t *Transcript) { t.Requests[h1].Bytes = nil }, ErrContradicts, "not a request"},
		"a cookie":                   {func(t *Transcript) { again(t, h1, replace("\r\n\r\n", "\r\nCookie: a=b\r\n\r\n")) }, ErrForeign, `the header field "cookie"`},
		"a cookie over HTTP/2": {func(t *Transcript) {
			q := &t.Requests[h2]
			m, _ := read(HTTP2, q.Bytes)
			var out bytes.Buffer
			writeFrames(&out, append(m.fields, Field{"cookie", "a=b"}), nil)
			q.Bytes = out.Bytes()
		}, ErrForeign, `the header field "cookie"`},
		"another agent":     {func(t *Transcript) { again(t, h1, replace("Wikiveil/1", "Mozilla/5.0")) }, ErrForeign, "Mozilla/5.0"},
		"agent with a lure": {func(t *Transcript) { again(t, h1, replace("proxy)", "proxy; \"x\")")) }, ErrForeign, "user-agent"},
		"another host":      {func(t *Transcript) { again(t, h1, replace("maps.example.org", "maps.example.com")) }, ErrForeign, `":authority"`},
		"another coding":    {func(t *Transcript) { again(t, h1, replace("identity", "br")) }, ErrForeign, "accept-encoding"},
		"a field twice":     {func(t *Transcript) { again(t, h1, replace("\r\n\r\n", "\r\naccept-encoding: identity\r\n\r\n")) }, ErrForeign, "twice"},
		"no agent":          {func(t *Transcript) { again(t, h1, replace("user-agent: "+agent+"\r\n", "")) }, ErrContradicts, `no header field "user-agent"`},
		"a path":            {func(t *Transcript) { again(t, h1, replace(Path, Path+"&r=2")) }, ErrForeign, `":path"`},
		"HTTP/1.0":          {func(t *Transcript) { again(t, h1, replace("HTTP/1.1", "HTTP/1.0")) }, ErrForeign, `"HTTP/1.0"`},
		"a real pseudonym":  {func(t *Transcript) { again(t, h1, replace(Placeholder, "abc")) }, ErrForeign, `"abc"`},
		"an undeclared one": {func(t *Transcript) { t.Tool.Pseudonym = false }, ErrForeign, "client-pseudonym"},
		"a body":            {func(t *Transcript) { again(t, h1, func(s string) string { return s + "x" }) }, ErrForeign, "bytes beside"},
		"spaces":            {func(t *Transcript) { again(t, h1, replace("identity\r\n", "identity  \r\n")) }, ErrForeign, "bytes beside"},
		"bare line ends":    {func(t *Transcript) { again(t, h1, replace("identity\r\n", "identity\n")) }, ErrForeign, "bytes beside"},
		"chunks": {func(t *Transcript) {
			again(t, h1, replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
		}, ErrForeign, "bytes beside"},
		"another body": {func(t *Transcript) { again(t, post, replace(`"canary"`, `"kanari"`)) }, ErrForeign, "another body"},
		"a ping": {func(t *Transcript) {
			again(t, h2, func(s string) string {
				return s[:len(http2.ClientPreface)] + "\x00\x00\x08\x06\x00\x00\x00\x00\x00bob-1234" + s[len(http2.ClientPreface):]
			})
		}, ErrForeign, "a PING frame"},
		"a body over HTTP/2": {func(t *Transcript) {
			again(t, h2, func(s string) string {
				return strings.Replace(s, "\x01\x01\x00\x00\x00\x01", "\x01\x00\x00\x00\x00\x01", 1) + "\x00\x00\x00\x00\x01\x00\x00\x00\x01"
			})
		}, ErrForeign, "a DATA frame"},
		"a second request": {func(t *Transcript) {
			again(t, h2, func(s string) string { return s + "\x00\x00\x01\x00\x01\x00\x00\x00\x03x" })
		}, ErrForeign, "bytes beside"},
		"an acknowledgement": {func(t *Transcript) {
			again(t, h2, func(s string) string {
				return s[:len(http2.ClientPreface)] + "\x00\x00\x00\x04\x01\x00\x00\x00\x00" + s[len(http2.ClientPreface):]
			})
		}, ErrForeign, "bytes beside"},
		"padding": {func(t *Transcript) {
			q := &t.Requests[h2]
			frame := strings.Index(string(q.Bytes), "\x01\x01\x00\x00\x00\x01") // HEADERS that go on, of the stream
			q.Bytes = slices.Concat(q.Bytes[:frame-1], []byte{q.Bytes[frame-1] + 4}, []byte("\x01\x09\x00\x00\x00\x01\x03"), q.Bytes[frame+6:frame+13], []byte("bob"), q.Bytes[frame+13:])
		}, ErrForeign, "with padding"},
		"no TLS":            {func(t *Transcript) { t.Hello = nil }, ErrContradicts, "not a ClientHello"},
		"TLS without https": {func(t *Transcript) { t.Tool.Origin = "http://maps.example.org" }, ErrContradicts, ""},
		"a part of one":     {func(t *Transcript) { t.Hello = t.Hello[:40] }, ErrContradicts, "not a ClientHello"},
		"another name": {func(t *Transcript) {
			t.Hello = bytes.Replace(t.Hello, []byte("maps.example.org"), []byte("meps.example.org"), 1)
		}, ErrForeign, "server name"},
		"a resumed session": {func(t *Transcript) {
			i := bytes.Index(t.Hello, []byte{0, 10, 0}) // the groups, of a cookie's form
			t.Hello[i+1] = 44
		}, ErrForeign, "goes on from another connection"},
	} {
		t.Run(name, func(t *testing.T) {
			own := fresh()
			x := expect(own)
			tc.change(own)
			if err := own.Verify(x); !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v, want %v with %q", err, tc.want, tc.text)
			}
		})
	}
	own := fresh()
	for name, x := range map[string]Expect{
		"a bound of one's own": {Now: moment.Add(24 * time.Hour), MaxAge: 25 * time.Hour},
		"no bound":             {Now: moment.Add(1e4 * time.Hour), MaxAge: -1},
		"a slow clock":         {Now: moment.Add(-4 * time.Minute)},
	} {
		if err := own.Verify(x); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Pseudonyms must be there, once, and must not be what the edge knows of the reader.
func TestPseudonyms(t *testing.T) {
	for name, tc := range map[string]struct {
		more func(*Reader) []Field
		want string
	}{
		"none":     {nil, "the request has 0 fields Client-Pseudonym, not one"},
		"two":      {func(*Reader) []Field { return []Field{{"Client-Pseudonym", "a"}, {"Client-Pseudonym", "b"}} }, "has 2 fields"},
		"empty":    {func(who *Reader) []Field { return []Field{{PseudonymHeader, who.Conceal("")}} }, "not one"},
		"the mask": {func(who *Reader) []Field { return []Field{{PseudonymHeader, who.Conceal(who.Client)}} }, "holds what is known of the reader"},
		"a name":   {func(who *Reader) []Field { return []Field{{PseudonymHeader, who.Conceal("x-" + who.Marks[0])}} }, "holds what is known of the reader"},
		"a cookie": {func(who *Reader) []Field {
			return []Field{{"Client-Pseudonym", "1"}, {"Cookie", who.header.Get("Cookie")}}
		}, "the header fields Cookie"},
		"all right":   {func(who *Reader) []Field { return []Field{{PseudonymHeader, who.Conceal(digest([]byte(who.Client)))}} }, ""},
		"unconcealed": {func(who *Reader) []Field { return []Field{{PseudonymHeader, digest([]byte(who.Client))}} }, "the header fields client-pseudonym"},
	} {
		t.Run(name, func(t *testing.T) {
			tool := declared(t, noticeboard.Tool{Origin: "https://maps.example.org", Pseudonym: true})
			result := mustRun(t, tool, tc.more)
			if tc.want == "" {
				if len(result.Differences) > 0 {
					t.Errorf("got %q", result.Differences)
				}
				return
			}
			for _, protocol := range []string{HTTP1, HTTP2} {
				if !slices.ContainsFunc(result.Differences, func(d string) bool {
					return strings.Contains(d, protocol) && strings.Contains(strings.ToLower(d), strings.ToLower(tc.want))
				}) {
					t.Errorf("over %s: got %q", protocol, result.Differences)
				}
			}
		})
	}
}

// An error says why it couldn't be found out what the tool gets; no transcript is made then.
func TestRunFails(t *testing.T) {
	tool := declared(t, noticeboard.Tool{Origin: "http://127.0.0.1:1"})
	handler := func(h http.HandlerFunc) func(string, *x509.CertPool, *Reader) (http.Handler, func(), error) {
		return func(string, *x509.CertPool, *Reader) (http.Handler, func(), error) { return h, func() {}, nil }
	}
	for name, tc := range map[string]struct {
		proxy func(string, *x509.CertPool, *Reader) (http.Handler, func(), error)
		want  string
	}{
		"no proxy": {func(string, *x509.CertPool, *Reader) (http.Handler, func(), error) {
			return nil, nil, errors.New("broken")
		}, "GET img over http/1.1: broken"},
		"nothing sent": {handler(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "the tool is disabled", http.StatusForbidden)
		}), "refuses all its requests: 403 the tool is disabled"},
		"a panic": {handler(func(http.ResponseWriter, *http.Request) { panic("secret") }), "the proxy panicked"},
		"twice": {func(echo string, roots *x509.CertPool, _ *Reader) (http.Handler, func(), error) {
			h := honest(tool.Origin, echo, roots)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r); h.ServeHTTP(w, r) }), func() {}, nil
		}, "the proxy made 2 connections, not one"},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := Run(t.Context(), Config{Tool: tool, Prefix: "/.tools/", Proxy: tc.proxy})
			if result != nil || err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, %v, want %q", result, err, tc.want)
			}
		})
	}
}

// A second request over the connection is something that the tool sees, too.
func TestReadKeepsASecondRequest(t *testing.T) {
	var sent bytes.Buffer
	writeFrames(&sent, []Field{{":authority", "maps.example"}, {":method", "GET"}, {":path", Path}, {":scheme", "https"}}, nil)
	one := sent.Len()
	framer := http2.NewFramer(&sent, nil)
	for range 2 { // what comes when it comes
		_ = framer.WriteSettingsAck()
		_ = framer.WriteWindowUpdate(0, 2)
	}
	m, err := read(HTTP2, sent.Bytes())
	if err != nil || len(m.bytes) != one {
		t.Fatalf("with acknowledgements: %+v, %v", m, err)
	}
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: []byte{0x82, 0x84, 0x87, 0x41, 1, 'x'}, EndHeaders: true, EndStream: true})
	if m, err = read(HTTP2, sent.Bytes()); err != nil || len(m.bytes) != one+15 || m.known != one {
		t.Errorf("a second request is overlooked: %+v, %v", m, err)
	}
}

func TestFollows(t *testing.T) {
	at := func(digest string, sequence uint64, previous string, hour int) *Transcript {
		return &Transcript{digest: digest, Tool: noticeboard.Tool{Name: "maps"}, Prefix: "/.tools/", Sequence: sequence, Previous: previous, Time: moment.Add(time.Duration(hour) * time.Hour)}
	}
	for name, tc := range map[string]struct {
		later, earlier *Transcript
		want           string
	}{
		"the next":        {at("three", 3, "two", 1), at("two", 2, "one", 0), ""},
		"the same":        {at("two", 2, "one", 0), at("two", 2, "one", 0), ""},
		"some between":    {at("nine", 9, "eight", 7), at("two", 2, "one", 0), ""},
		"a fork":          {at("other", 2, "one", 0), at("two", 2, "one", 0), "two with the number 2"},
		"another before":  {at("three", 3, "other", 1), at("two", 2, "one", 0), "names another one before it"},
		"begun anew":      {at("one", 1, "", 1), at("two", 2, "one", 0), "number 1 doesn't come after number 2"},
		"older":           {at("three", 3, "two", -1), at("two", 2, "one", 0), "is older than"},
		"of another tool": {&Transcript{Tool: noticeboard.Tool{Name: "stats"}, Prefix: "/.tools/", Sequence: 3}, at("two", 2, "one", 0), "different tools"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.later.Follows(tc.earlier)
			if (err == nil) != (tc.want == "") || err != nil && (!errors.Is(err, ErrChain) || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// FuzzOpen: what strangers call a transcript never makes a panic, and what is accepted
// is what was signed.
func FuzzOpen(f *testing.F) {
	signer, verifier := keys(f)
	tool := declared(f, noticeboard.Tool{Origin: "http://127.0.0.1:1", Kinds: []noticeboard.Kind{noticeboard.Style}})
	made := transcriptOf(tool, mustRun(f, tool, nil))
	made.Requests = made.Requests[:1] // the fuzzer takes minutes to make long ones short
	signed := mustSign(f, made, signer)
	text, _, _ := strings.Cut(string(signed), "\n\n")
	f.Add([]byte(text+"\n"), true)
	f.Add(signed, false)
	f.Add([]byte(Format+"\n"+`{"tool":{"name":"x","origin":"https://x.example"},"sequence":1,"requests":[{"method":"GET","protocol":"h2","bytes":"UFJJ"}],"client_hello":"AQAA"}`+"\n"), true)
	f.Fuzz(func(t *testing.T, data []byte, sign bool) {
		if sign { // so that what is inside is reached
			var err error
			if data, err = note.Sign(&note.Note{Text: string(data)}, signer); err != nil {
				return // not a note's text
			}
		}
		got, err := Open(data, verifier)
		if err != nil {
			if got != nil || !errors.Is(err, ErrForm) && !errors.Is(err, ErrSignature) {
				t.Errorf("got %v, %v", got, err)
			}
			return
		}
		_ = got.Verify(Expect{Now: moment})
		_, _ = Page(httptest.NewRequest("GET", "/", nil), got, "", "")
	})
}

// FuzzRead reads requests and ClientHellos that may be anything: what is all of constants is
// one of the few requests that there are.
func FuzzRead(f *testing.F) {
	made := full(f)
	for _, q := range made.Requests {
		f.Add(q.Bytes)
	}
	f.Add(made.Hello)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, q := range made.Requests {
			mine := q
			mine.Bytes = data
			if mine.verify(made) == nil && q.Protocol == HTTP1 && len(data) < len(q.Bytes)-len(agent) {
				t.Errorf("%v: %q passes", q, data)
			}
		}
		own := *made
		own.Hello = data
		_ = own.checkHello()
	})
}

// What the declaration permits must all be shown, and nothing that it doesn't.
func TestVerifyDeclared(t *testing.T) {
	made := full(t)
	tool := declared(t, noticeboard.Tool{Origin: "https://maps.example.org", Kinds: noticeboard.Kinds(), Methods: []string{"GET", "HEAD", "POST"},
		Streams: []noticeboard.Stream{noticeboard.Events}, Pseudonym: true})
	for name, tc := range map[string]struct {
		change func(*Transcript, *Expect)
		want   error
		text   string
	}{
		"all of it":           {func(*Transcript, *Expect) {}, nil, ""},
		"a request less":      {func(t *Transcript, _ *Expect) { t.Requests = t.Requests[1:] }, ErrContradicts, "must have [GET img over h2 "},
		"another prefix":      {func(_ *Transcript, x *Expect) { x.Prefix = "/t/" }, ErrDeclaration, `"/.tools/"`},
		"another declaration": {func(_ *Transcript, x *Expect) { x.Declaration = digest(nil) }, ErrDeclaration, tool.Hash()},
		"one protocol": {func(t *Transcript, _ *Expect) {
			t.Requests = slices.DeleteFunc(slices.Clone(t.Requests), func(q Request) bool { return q.Protocol == HTTP2 })
		}, ErrContradicts, "and no others"},
		"another origin": {func(t *Transcript, _ *Expect) { t.Tool.Origin = "https://maps.example.com" }, ErrDeclaration, tool.Hash()},
		"a hidden name":  {func(t *Transcript, _ *Expect) { t.Tool.Pseudonym = false }, ErrDeclaration, tool.Hash()},
		"more are asked": {func(t *Transcript, x *Expect) {
			t.Tool.Streams = nil
			x.Declaration = t.Tool.Hash()
		}, ErrContradicts, "and no others"},
	} {
		t.Run(name, func(t *testing.T) {
			own := *made
			x := expect(&own)
			x.Declaration = tool.Hash()
			tc.change(&own, &x)
			err := own.Verify(x)
			if tc.want == nil && err != nil || tc.want != nil && (!errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text)) {
				t.Errorf("got %v, want %v with %q", err, tc.want, tc.text)
			}
		})
	}
}

// The page shows the transcript, escaped.
func TestPage(t *testing.T) {
	made := full(t)
	made.Differences = []string{"<script>alert(1)</script>"}
	made.Requests[1].Second = []byte("GET / HTTP/1.1\r\nCookie: <b>\r\n\r\n")
	page, err := Page(httptest.NewRequest("GET", "/", nil), made, "wiki+12345678+AbCd", "/.tools/style.css?1")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"The tool could tell readers apart", "The second reader’s request differs:</p>\n<pre tabindex=\"0\" dir=\"ltr\">GET / HTTP/1.1\r\nCookie: &lt;b&gt;", "GET, for an image", "&lt;script&gt;", `<link rel="stylesheet" href="/.tools/style.css?1">`, "GET /wikiveil-canary?x=1 HTTP/1.1",
		":path: /wikiveil-canary?x=1", "2026-11-22 21:00 UTC", "X25519", "wiki&#43;12345678&#43;AbCd", "client-pseudonym: " + Placeholder,
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("it lacks %q", want)
		}
	}
	if strings.Contains(string(page), "<script") {
		t.Error("it has a script")
	}
	for name, want := range map[bool]string{false: "can’t tell readers apart by its requests", true: "can tell readers apart for a day"} {
		made := full(t)
		made.Tool.Pseudonym = name
		page, err := Page(httptest.NewRequest("GET", "/", nil), made, "wiki+12345678+AbCd", "")
		if err != nil || !strings.Contains(string(page), want) || name && strings.Contains(string(page), "can’t tell readers") {
			t.Errorf("with a pseudonym: %v:: %v %s", name, err, page)
		}
	}
}
