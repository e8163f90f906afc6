package canary

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/wikiveil/wikiveil/noticeboard"
)

func expect(t *Transcript) Expect {
	return Expect{Now: moment.Add(time.Hour), Tool: "maps", Prefix: "/.tools/", Declaration: t.Declaration}
}

func TestSignAndOpen(t *testing.T) {
	made := full(t)
	data := mustSign(t, made)
	opened, err := Open(data, public)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(opened, made) {
		t.Errorf("got %+v, want %+v", opened, made)
	}
	if err := opened.Verify(expect(made)); err != nil {
		t.Error(err)
	}
	if !opened.Equal || opened.Pseudonym != "Client-Pseudonym" || len(opened.Requests) != 18 {
		t.Errorf("equal %v, pseudonym %q, %d requests", opened.Equal, opened.Pseudonym, len(opened.Requests))
	}
	for _, q := range opened.Requests {
		if !slices.ContainsFunc(q.Fields, func(f Field) bool {
			return f == Field{"Client-Pseudonym", Placeholder} || f == Field{"client-pseudonym", Placeholder}
		}) {
			t.Errorf("%v: no placeholder in %v", q, q.Fields)
		}
	}
	// What other programs of DSSE sign.
	if got, want := string(preAuth("http://example.com/HelloWorld", []byte("hello world"))), "DSSEv1 29 http://example.com/HelloWorld 11 hello world"; got != want {
		t.Errorf("got %q, want %q, DSSE's own test vector", got, want)
	}
}

// No byte of an envelope can be another.
func TestOpenRefusesAnyOtherByte(t *testing.T) {
	tool := declared(t, noticeboard.Tool{Origin: "http://127.0.0.1:1", Kinds: []noticeboard.Kind{noticeboard.Style}})
	data := mustSign(t, transcriptOf(tool, mustRun(t, tool, nil)))
	want, err := Open(data, public)
	if err != nil {
		t.Fatal(err)
	}
	keyID := bytes.Index(data, []byte(`"keyid":"`)) + len(`"keyid":"`) // a hint that isn't signed
	for i := range data {
		if i >= keyID && i < keyID+64 {
			continue
		}
		changed := bytes.Clone(data)
		changed[i] ^= 1
		got, err := Open(changed, public)
		switch {
		case err == nil && reflect.DeepEqual(got, want): // such as the case of a name
		case err == nil:
			t.Fatalf("byte %d: accepted as %+v", i, got)
		case !errors.Is(err, ErrForm) && !errors.Is(err, ErrSignature):
			t.Fatalf("byte %d: %v", i, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	made := full(t)
	data := mustSign(t, made)
	other, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	resigned := func(change func(*Transcript)) []byte {
		own := *made
		change(&own)
		return mustSign(t, &own)
	}
	payload := func(payload string) []byte {
		sig := ed25519.Sign(key, preAuth(PayloadType, []byte(payload)))
		return fmt.Appendf(nil, `{"payloadType":%q,"payload":%q,"signatures":[{"keyid":"","sig":%q}]}`,
			PayloadType, base64.StdEncoding.EncodeToString([]byte(payload)), base64.StdEncoding.EncodeToString(sig))
	}
	for name, tc := range map[string]struct {
		data []byte
		key  ed25519.PublicKey
		want error
		text string
	}{
		"another key":      {data, other, ErrSignature, "another key"},
		"no key":           {data, nil, ErrSignature, ""},
		"short key":        {data, public[:31], ErrSignature, ""},
		"nothing":          {nil, public, ErrForm, "no DSSE envelope"},
		"cut":              {data[:len(data)-1], public, ErrForm, "no DSSE envelope"},
		"more after it":    {append(bytes.Clone(data), "{}"...), public, ErrForm, "no DSSE envelope"},
		"a field more":     {bytes.Replace(data, []byte(`{"payloadType"`), []byte(`{"a":1,"payloadType"`), 1), public, ErrForm, "no DSSE envelope"},
		"no signature":     {bytes.Replace(data, data[bytes.Index(data, []byte(`"signatures":[`)):], []byte(`"signatures":[]}`), 1), public, ErrForm, "one signature"},
		"another type":     {bytes.Replace(data, []byte(PayloadType), []byte("text/plain"), 1), public, ErrForm, "not " + PayloadType},
		"too long":         {append(data, bytes.Repeat([]byte{' '}, MaxSize)...), public, ErrForm, "no DSSE envelope"},
		"not JSON":         {payload("hello"), public, ErrForm, "other fields or values"},
		"an unknown field": {payload(`{"format":"` + Format + `","sequence":1,"colour":"red"}`), public, ErrForm, "other fields or values"},
		"a later format":   {resigned(func(t *Transcript) { t.Format = "wikiveil/v2/transcript" }), public, ErrForm, "unknown format"},
		"no sequence":      {resigned(func(t *Transcript) { t.Sequence = 0 }), public, ErrForm, "sequence"},
		"first of several": {resigned(func(t *Transcript) { t.Sequence = 1 }), public, ErrForm, "sequence"},
		"cut from before":  {resigned(func(t *Transcript) { t.Previous = "" }), public, ErrForm, "sequence"},
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
	made := mustSign(t, full(t))
	h1, h2 := -1, -1
	fresh := func() *Transcript {
		own, err := Open(made, public)
		if err != nil {
			t.Fatal(err)
		}
		return own
	}
	post := -1
	for i, q := range fresh().Requests {
		switch {
		case q.Method == "POST" && q.Protocol == HTTP1:
			post = i
		case q.Protocol == HTTP1 && h1 < 0:
			h1 = i
		case q.Protocol == HTTP2 && h2 < 0:
			h2 = i
		}
	}
	// again gives a request other bytes, and all that follows from them.
	again := func(t *Transcript, i int, change func(string) string) {
		q := &t.Requests[i]
		q.Bytes = []byte(change(string(q.Bytes)))
		q.Readers = []string{sum(q.Bytes), sum(q.Bytes)}
		_ = q.describe(q.Bytes)
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
		"another tool":            {func(t *Transcript) { t.Tool = "stats" }, ErrDeclaration, `"stats"`},
		"another prefix":          {func(t *Transcript) { t.Prefix = "/t/" }, ErrDeclaration, `"/t/"`},
		"another declaration":     {func(t *Transcript) { t.Declaration = sum(nil) }, ErrDeclaration, "on the noticeboard's"[:0]},
		"not equal":               {func(t *Transcript) { t.Equal = false }, ErrUnequal, "doesn't say how"},
		"a difference":            {func(t *Transcript) { t.Differences = []string{"GET img"} }, ErrUnequal, "GET img"},
		"no requests":             {func(t *Transcript) { t.Requests = nil }, ErrContradicts, "no requests"},
		"too many requests":       {func(t *Transcript) { t.Requests = slices.Repeat(t.Requests, 9) }, ErrContradicts, "too many"},
		"all refused": {func(t *Transcript) {
			for i, q := range t.Requests {
				t.Requests[i] = Request{Kind: q.Kind, Method: q.Method, Protocol: q.Protocol, Refused: "403"}
			}
		}, ErrContradicts, "no requests"},
		"refused and sent":           {func(t *Transcript) { t.Requests[h1].Refused = "403" }, ErrContradicts, "refused and sent"},
		"readers differ":             {func(t *Transcript) { t.Requests[h1].Readers[1] = sum(nil) }, ErrUnequal, "bytes of the readers differ"},
		"one reader":                 {func(t *Transcript) { t.Requests[h1].Readers = t.Requests[h1].Readers[:1] }, ErrUnequal, ""},
		"a second one":               {func(t *Transcript) { t.Requests[h1].Second = []byte("x") }, ErrUnequal, ""},
		"another hash":               {func(t *Transcript) { t.Requests[h1].Readers = []string{sum(nil), sum(nil)} }, ErrContradicts, "others than described"},
		"another text":               {func(t *Transcript) { t.Requests[h1].Text += " " }, ErrContradicts, "others than described"},
		"another field":              {func(t *Transcript) { t.Requests[h2].Fields[0].Value = "x" }, ErrContradicts, "others than described"},
		"a field less":               {func(t *Transcript) { t.Requests[h2].Fields = t.Requests[h2].Fields[1:] }, ErrContradicts, "others than described"},
		"another frame":              {func(t *Transcript) { t.Requests[h2].Frames[0].Settings = nil }, ErrContradicts, "others than described"},
		"another method":             {func(t *Transcript) { t.Requests[h1].Method = "HEAD" }, ErrForeign, "request line"},
		"another method over HTTP/2": {func(t *Transcript) { t.Requests[h2].Method = "HEAD" }, ErrForeign, `":method"`},
		"another kind":               {func(t *Transcript) { t.Requests[h1].Kind = noticeboard.Font }, ErrForeign, "accept"},
		"another protocol":           {func(t *Transcript) { t.Requests[h1].Protocol = HTTP2 }, ErrContradicts, "no preface"},
		"an unknown protocol":        {func(t *Transcript) { t.Requests[h1].Protocol = "h3" }, ErrContradicts, "of an unknown kind"},
		"an unknown kind":            {func(t *Transcript) { t.Requests[h1].Kind = "\x1b" }, ErrContradicts, "of an unknown kind"},
		"an unknown method":          {func(t *Transcript) { t.Requests[h1].Method = "PUT" }, ErrContradicts, "of an unknown kind"},
		"an unknown stream":          {func(t *Transcript) { t.Requests[h1].Stream = "websocket" }, ErrContradicts, "of an unknown kind"},
		"a cookie for a pseudonym":   {func(t *Transcript) { t.Pseudonym = "Cookie" }, ErrForeign, `in the header field "Cookie"`},
		"no bytes":                   {func(t *Transcript) { t.Requests[h1].Bytes = nil }, ErrContradicts, "no head"},
		"a cookie":                   {func(t *Transcript) { again(t, h1, replace("\r\n\r\n", "\r\nCookie: a=b\r\n\r\n")) }, ErrForeign, `the header field "Cookie"`},
		"a cookie over HTTP/2": {func(t *Transcript) {
			q := &t.Requests[h2]
			s, _ := read(HTTP2, q.Bytes)
			s.fields = append(s.fields, Field{"cookie", "a=b"})
			q.Bytes, _ = s.reframe(q.Bytes)
			again(t, h2, func(s string) string { return s })
		}, ErrForeign, `the header field "cookie"`},
		"another agent":     {func(t *Transcript) { again(t, h1, replace("Wikiveil/1", "Mozilla/5.0")) }, ErrForeign, "Mozilla/5.0"},
		"agent with a lure": {func(t *Transcript) { again(t, h1, replace("proxy)", "proxy; \"x\")")) }, ErrForeign, "user-agent"},
		"another host":      {func(t *Transcript) { again(t, h1, replace("maps.example.org", "maps.example.com")) }, ErrForeign, "Host"},
		"another coding":    {func(t *Transcript) { again(t, h1, replace("identity", "br")) }, ErrForeign, "accept-encoding"},
		"a field twice":     {func(t *Transcript) { again(t, h1, replace("\r\n\r\n", "\r\naccept-encoding: identity\r\n\r\n")) }, ErrForeign, "twice"},
		"no agent":          {func(t *Transcript) { again(t, h1, replace("user-agent: "+agent+"\r\n", "")) }, ErrContradicts, `no header field "user-agent"`},
		"a path":            {func(t *Transcript) { again(t, h1, replace(Path, Path+"&r=2")) }, ErrForeign, "request line"},
		"HTTP/1.0":          {func(t *Transcript) { again(t, h1, replace("HTTP/1.1", "HTTP/1.0")) }, ErrForeign, "request line"},
		"a real pseudonym":  {func(t *Transcript) { again(t, h1, replace(Placeholder, "abc")) }, ErrForeign, `"abc"`},
		"an undeclared one": {func(t *Transcript) { t.Pseudonym = "" }, ErrForeign, "Client-Pseudonym"},
		"a body":            {func(t *Transcript) { again(t, h1, func(s string) string { return s + "x" }) }, ErrForeign, "another body"},
		"another body":      {func(t *Transcript) { again(t, post, replace(`"canary"`, `"kanari"`)) }, ErrForeign, "another body"},
		"a ping": {func(t *Transcript) {
			again(t, h2, func(s string) string {
				return s[:len(http2.ClientPreface)] + "\x00\x00\x08\x06\x00\x00\x00\x00\x00bob-1234" + s[len(http2.ClientPreface):]
			})
		}, ErrForeign, "a PING frame"},
		"a body over HTTP/2": {func(t *Transcript) {
			again(t, h2, func(s string) string {
				return strings.Replace(s, "\x01\x05\x00\x00\x00\x01", "\x01\x04\x00\x00\x00\x01", 1) + "\x00\x00\x00\x00\x01\x00\x00\x00\x01"
			})
		}, ErrForeign, "a DATA frame"},
		"a second request": {func(t *Transcript) {
			again(t, h2, func(s string) string { return s + "\x00\x00\x01\x00\x01\x00\x00\x00\x03x" })
		}, ErrContradicts, "more than one request"},
		"no TLS":          {func(t *Transcript) { t.TLS = nil }, ErrContradicts, "TLS without"},
		"another suite":   {func(t *Transcript) { t.TLS.CipherSuites[0] = "NULL" }, ErrContradicts, "another than described"},
		"a random random": {func(t *Transcript) { t.TLS.Hello[10] = 1 }, ErrContradicts, "another than described"},
		"no ClientHello":  {func(t *Transcript) { t.TLS.Hello = nil }, ErrContradicts, "ClientHello"},
		"another name": {func(t *Transcript) {
			again := *t.TLS
			again.Hello = bytes.Replace(again.Hello, []byte("maps.example.org"), []byte("meps.example.org"), 1)
			t.TLS, _ = describe(again.Hello)
		}, ErrForeign, "server name"},
		"a resumed session": {func(t *Transcript) {
			hello := bytes.Clone(t.TLS.Hello)
			i := bytes.Index(hello, []byte{0, 18, 0, 0}) // an empty extension
			hello[i+1] = 41
			t.TLS, _ = describe(hello)
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
		"empty":    {func(*Reader) []Field { return []Field{{"Client-Pseudonym", ""}} }, "not one"},
		"the mask": {func(who *Reader) []Field { return []Field{{"Client-Pseudonym", who.Client}} }, "holds what is known of the reader"},
		"a name":   {func(who *Reader) []Field { return []Field{{"Client-Pseudonym", "x-" + who.Marks[0]}} }, "holds what is known of the reader"},
		"a cookie": {func(who *Reader) []Field {
			return []Field{{"Client-Pseudonym", "1"}, {"Cookie", who.header.Get("Cookie")}}
		}, "the header fields Cookie"},
		"all right": {func(who *Reader) []Field { return []Field{{"Client-Pseudonym", sum([]byte(who.Client))}} }, ""},
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

func TestFollows(t *testing.T) {
	at := func(sequence uint64, previous string, hour int) *Transcript {
		return &Transcript{Tool: "maps", Prefix: "/.tools/", Sequence: sequence, Previous: previous, Time: moment.Add(time.Duration(hour) * time.Hour)}
	}
	for name, tc := range map[string]struct {
		later, earlier *Transcript
		laterDigest    string
		next           bool
		want           string
	}{
		"the next":        {at(3, "two", 1), at(2, "one", 0), "three", true, ""},
		"the same":        {at(2, "one", 0), at(2, "one", 0), "two", true, ""},
		"some between":    {at(9, "eight", 7), at(2, "one", 0), "nine", false, ""},
		"a fork":          {at(2, "one", 0), at(2, "one", 0), "other", false, "two with the number 2"},
		"another before":  {at(3, "other", 1), at(2, "one", 0), "three", false, "names another one before it"},
		"begun anew":      {at(1, "", 1), at(2, "one", 0), "one", false, "number 1 doesn't come after number 2"},
		"older":           {at(3, "two", -1), at(2, "one", 0), "three", false, "is older than"},
		"of another tool": {&Transcript{Tool: "stats", Prefix: "/.tools/", Sequence: 3}, at(2, "one", 0), "three", false, "different tools"},
	} {
		t.Run(name, func(t *testing.T) {
			next, err := tc.later.Follows(tc.earlier, tc.laterDigest, "two")
			if next != tc.next || (err == nil) != (tc.want == "") || err != nil && (!errors.Is(err, ErrChain) || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, %v", next, err)
			}
		})
	}
}

// FuzzOpen: what strangers call a transcript never makes a panic, and what is accepted
// is what was signed.
func FuzzOpen(f *testing.F) {
	tool := declared(f, noticeboard.Tool{Origin: "http://127.0.0.1:1", Kinds: []noticeboard.Kind{noticeboard.Style}})
	made := transcriptOf(tool, mustRun(f, tool, nil))
	made.Requests = made.Requests[:1] // the fuzzer takes minutes to make long ones short
	payload, err := json.Marshal(made)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload, true)
	f.Add(mustSign(f, made), false)
	f.Add([]byte(`{"payloadType":"","payload":"","signatures":[{}]}`), false)
	f.Add([]byte(`{"format":"`+Format+`","sequence":1,"requests":[{"protocol":"h2","bytes":"UFJJ"}],"tls":{"client_hello":"AQAA"}}`), true)
	f.Fuzz(func(t *testing.T, data []byte, sign bool) {
		if sign { // so that what is inside is reached
			data, _ = json.Marshal(envelope{PayloadType, data, []signature{{"", ed25519.Sign(key, preAuth(PayloadType, data))}}})
		}
		got, err := Open(data, public)
		if err != nil {
			if got != nil || !errors.Is(err, ErrForm) && !errors.Is(err, ErrSignature) {
				t.Errorf("got %v, %v", got, err)
			}
			return
		}
		_ = got.Verify(Expect{Now: moment})
		if _, err := Digest(data); err != nil {
			t.Errorf("no digest: %v", err)
		}
	})
}

// FuzzRead reads requests and ClientHellos that may be anything. What HTTP/1.1 is
// accepted is written as the same bytes.
func FuzzRead(f *testing.F) {
	made := full(f)
	for _, q := range made.Requests[:4] {
		f.Add(q.Bytes)
	}
	f.Add(made.TLS.Hello)
	f.Add(append([]byte{22, 3, 1, byte(len(made.TLS.Hello) >> 8), byte(len(made.TLS.Hello))}, made.TLS.Hello...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := read(HTTP1, data); err == nil && !bytes.Equal(s.text(), data) {
			t.Errorf("%q is written as %q", data, s.text())
		}
		if s, err := read(HTTP2, data); err == nil {
			again, err := s.reframe(data)
			if err != nil {
				return // frames that no client of ours sends
			}
			if back, err := read(HTTP2, again); err != nil || !slices.Equal(back.fields, s.fields) || !bytes.Equal(back.body, s.body) {
				t.Errorf("reframed: %v, %v", back, err)
			}
		}
		if message, err := handshake(data); err == nil && message != nil {
			data = message
		}
		if d, err := describe(data); err == nil {
			if again, err := describe(d.Hello); err != nil || !reflect.DeepEqual(again, d) {
				t.Errorf("described twice: %+v and %+v", d, again)
			}
		}
	})
}

// What the declaration permits must all be shown, and nothing that it doesn't.
func TestVerifyDeclared(t *testing.T) {
	made := full(t)
	tool := declared(t, noticeboard.Tool{Origin: "https://maps.example.org", Kinds: noticeboard.Kinds(), Methods: []string{"GET", "HEAD", "POST"},
		Streams: []noticeboard.Stream{noticeboard.Events}, Pseudonym: true})
	for name, tc := range map[string]struct {
		change func(*Transcript, *noticeboard.Tool)
		want   error
		text   string
	}{
		"all of it":      {func(*Transcript, *noticeboard.Tool) {}, nil, ""},
		"a request less": {func(t *Transcript, _ *noticeboard.Tool) { t.Requests = t.Requests[1:] }, ErrContradicts, "lacks GET img over h2"},
		"one protocol": {func(t *Transcript, _ *noticeboard.Tool) {
			t.Requests = slices.DeleteFunc(slices.Clone(t.Requests), func(q Request) bool { return q.Protocol == HTTP2 })
		}, ErrContradicts, "lacks POST data over h2"},
		"another origin":  {func(_ *Transcript, d *noticeboard.Tool) { d.Origin = "https://maps.example.com" }, ErrDeclaration, "maps.example.org"},
		"another tool":    {func(_ *Transcript, d *noticeboard.Tool) { d.Name = "stats" }, ErrDeclaration, "it is of maps"},
		"no pseudonym":    {func(_ *Transcript, d *noticeboard.Tool) { d.Pseudonym = false }, ErrDeclaration, "pseudonym"},
		"an hidden one":   {func(t *Transcript, _ *noticeboard.Tool) { t.Pseudonym = "" }, ErrDeclaration, "pseudonym"},
		"fewer are asked": {func(_ *Transcript, d *noticeboard.Tool) { d.Methods, d.Streams = []string{"GET"}, nil }, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			own, declaration := *made, *tool
			tc.change(&own, &declaration)
			x := expect(&own)
			x.Declared = &declaration
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
	made.Equal = false
	made.Requests[1].Second = []byte("GET / HTTP/1.1\r\nCookie: <b>\r\n\r\n")
	page, err := Page(made, public, "/.tools/style.css?1")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"The tool could tell readers apart", "The second reader’s request differs:</p>\n<pre tabindex=\"0\">GET / HTTP/1.1\r\nCookie: &lt;b&gt;", "GET, for an image", "&lt;script&gt;", `<link rel="stylesheet" href="/.tools/style.css?1">`, "GET /wikiveil-canary?x=1 HTTP/1.1",
		":path: /wikiveil-canary?x=1", "2026-11-22 21:00 UTC", "X25519", fmt.Sprintf("%x", []byte(public)), "Client-Pseudonym: " + Placeholder,
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("it lacks %q", want)
		}
	}
	if strings.Contains(string(page), "<script") {
		t.Error("it has a script")
	}
	for name, want := range map[string]string{"": "can’t tell readers apart by its requests", "Client-Pseudonym": "can tell readers apart for a day"} {
		made := full(t)
		made.Pseudonym = name
		page, err := Page(made, public, "")
		if err != nil || !strings.Contains(string(page), want) || name != "" && strings.Contains(string(page), "can’t tell readers") {
			t.Errorf("with the pseudonym %q: %v %s", name, err, page)
		}
	}
}
