package confirm

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
)

func TestBind(t *testing.T) {
	seen := map[Binding]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"ab", ""}, {"a", "b", ""}, {"a\x00b"}} {
		name := strings.Join(parts, "|")
		b := Bind(parts...)
		if before, ok := seen[b]; ok {
			t.Errorf("%q and %q bind alike", before, name)
		}
		if b != Bind(parts...) {
			t.Errorf("%q binds differently twice", name)
		}
		seen[b] = name
	}
}

func TestDecodeTakesOneSpelling(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "AQ": true, "AQI": true, "-_-_": true,
		"AR": false, "AQJ": false, "A": false, "AQ==": false, "A\nQ": false, "AQ\r\n": false, "+/+/": false, " AQ": false,
		strings.Repeat("A", maxSealed): true, strings.Repeat("A", maxSealed+4): false,
	} {
		if _, ok := decode(text); ok != want {
			t.Errorf("%.20q: got %v", text, ok)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(pack(), 0)
	f.Add(pack([]byte("a"), nil, []byte("bc")), 3)
	f.Add([]byte{version, 0, 9, 'a'}, 1)
	f.Add([]byte{version, 0xff, 0xff}, 1)
	f.Add([]byte{2, 0, 0}, 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		fields, ok := unpack(b, n&15)
		if ok && !bytes.Equal(pack(fields...), b) {
			t.Errorf("%x is another spelling of %q", b, fields)
		}
	})
}

// Nothing but what seal made opens, as what it was made for.
func FuzzOpen(f *testing.F) {
	flow := newFuzzFlow(f)
	made := map[string]use{}
	for _, u := range []use{useBrowser, useHandOff, useToken, useTicket, useKept} {
		// The workers are other processes: nothing here may be random.
		text := flow.keys.seal(u, make([]byte, 16))
		switch u {
		case useHandOff, useToken, useTicket:
			text = flow.sign(u, claims{subject: "weather", action: "grant", issued: time.UnixMilli(1)})
		case useKept:
			text = flow.Keep(BrowserID{}, []byte("weather"))
		}
		made[text] = u
		f.Add(uint8(u), text)
		f.Add(uint8(u+1), text)
		f.Add(uint8(u), text[1:])
		f.Add(uint8(u), text+"A")
		f.Add(uint8(u), tamper(text, -1))
	}
	f.Add(uint8(useToken), "")
	f.Fuzz(func(t *testing.T, of uint8, text string) {
		u := use(of % uint8(uses))
		var err error
		switch u {
		case useCode: // no text is made for it
			return
		case useBrowser:
			_, _, err = flow.keys.open(u, text, 1)
		case useKept:
			_, err = flow.Kept(BrowserID{}, text)
		default:
			_, _, err = flow.open(u, text)
		}
		opens := !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrSignature)
		if of, known := made[text]; opens != (known && of == u) {
			t.Errorf("use %d, %q: %v", u, text, err)
		}
	})
}

func newFuzzFlow(t testing.TB) *Flow {
	flow, err := New(Config{"exempt", testWiki, testPort, testKeys(t, 1), func(*http.Request) []string { return []string{"client"} }, kv.NewMemory(10)})
	if err != nil {
		t.Fatal(err)
	}
	return flow
}

func FuzzCookie(f *testing.F) {
	flow := newFuzzFlow(f)
	// Nothing random: the fuzzer's workers are other processes.
	own := BrowserCookie + "=" + flow.keys.seal(useBrowser, make([]byte, 16))
	for _, line := range []string{"", own, own + "; " + own, "a=b; " + own + ";", own + "; " + ProbeCookie + "=1", BrowserCookie, "=;=;;"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r := &http.Request{Header: http.Header{"Cookie": {line}}}
		b, err := flow.Browser(r)
		if err == nil && BrowserCookie+"="+b.value != own {
			t.Errorf("%q holds a browser cookie that was never made", line)
		}
		if flow.EnforcesPrefixes(r) && err != nil {
			t.Errorf("%q enforces prefixes: %v", line, err)
		}
		// Whatever was there, two more make none of it.
		r.Header["Cookie"] = append(r.Header["Cookie"], own, own)
		_, err = flow.Browser(r)
		wantRefusal(t, err, ErrNoBrowser)
	})
}

func FuzzReadForm(f *testing.F) {
	flow := newFuzzFlow(f)
	for _, body := range []string{
		"token=T&code=12345", "token=T&code=12345&reason=a+b", "token=T&token=U", "x=1", "token=%zz", "a;b", "&&", "=", "token=%00%ff",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		form, err := flow.ReadForm(formRequest(flow, body, ""), true, "reason")
		if err != nil {
			if form.values != nil {
				t.Errorf("a refusal came with %v", form.values)
			}
			return
		}
		if len(body) > MaxForm {
			t.Errorf("%d bytes were taken", len(body))
		}
		for name := range form.values {
			if !slices.Contains([]string{TokenField, CodeField, "reason"}, name) {
				t.Errorf("the field %q was taken", name)
			}
		}
		if _, err := flow.Redeem(httptest.NewRequest("POST", testPort, nil), form, Act{}); err == nil {
			t.Errorf("%q was redeemed", body)
		}
	})
}

func FuzzParam(f *testing.F) {
	flow := newFuzzFlow(f)
	for _, query := range []string{"", "handoff=", "handoff=x&handoff=y", "ticket=AQ", "ticket=%", "handoff;ticket", "h%61ndoff=x"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		page := pageRequest(flow, "", "")
		page.URL.RawQuery = query
		if _, err := flow.OpenPage(page, true); err == nil {
			t.Errorf("%q opens a page", query)
		}
		commit := commitRequest(flow, "", "")
		commit.URL.RawQuery = query
		if _, err := flow.Commit(commit); err == nil {
			t.Errorf("%q commits", query)
		}
	})
}

func FuzzParseOrigin(f *testing.F) {
	for _, text := range []string{testWiki, testPort, "https://WIKI.example:443", "https://[::1]", "https://a:0", "https://a b", "https://a/", "https://a;b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		origin, host, err := parseOrigin(text)
		if err != nil {
			return
		}
		if strings.Trim(origin, "abcdefghijklmnopqrstuvwxyz0123456789-._:/") != "" || !strings.Contains(origin, host) {
			t.Errorf("%q gives %q and %q", text, origin, host)
		}
		if again, _, err := parseOrigin(origin); err != nil || again != origin {
			t.Errorf("%q gives %q, and that %q (%v)", text, origin, again, err)
		}
	})
}
