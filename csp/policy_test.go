package csp

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		in, want string
		// ignored is what Validate must complain about; "" is nothing.
		ignored string
	}{
		"plain":                    {"default-src 'none'; img-src 'self' data:", "default-src 'none'; img-src 'self' data:", ""},
		"spaces and capitals":      {" ;;IMG-src \t 'SELF'  HTTPS://X.org ; ", "img-src 'self' https://x.org", ""},
		"first duplicate wins":     {"img-src 'self'; IMG-SRC *", "img-src 'self'", "img-src: it stands there twice"},
		"unknown directive":        {"image-src *; img-src 'self'", "img-src 'self'", `"image-src": no such directive`},
		"retired directive":        {"plugin-types a/b; img-src *", "img-src *", `"plugin-types": no such directive`},
		"not ASCII":                {"img-src ü; font-src 'self'", "font-src 'self'", "it is not ASCII"},
		"no source":                {"img-src 'self' {host}", "img-src 'self'", "not a host"},
		"no source at all":         {"img-src {host}", "img-src 'none'", "not a host"},
		"empty list":               {"img-src", "img-src 'none'", ""},
		"none beside others":       {"img-src 'none' https://x", "img-src https://x", "'none' stands beside other values"},
		"source twice":             {"img-src X.org x.org", "img-src x.org", ""},
		"ancestors":                {"frame-ancestors 'self' https://x https:", "frame-ancestors 'self' https://x https:", ""},
		"ancestors none":           {"frame-ancestors 'none'", "frame-ancestors 'none'", ""},
		"ancestor keyword":         {"frame-ancestors 'unsafe-inline'", "frame-ancestors 'none'", "no source of frame-ancestors"},
		"ancestor nonce":           {"frame-ancestors 'nonce-a' x", "frame-ancestors x", "no source of frame-ancestors"},
		"sandbox":                  {"sandbox", "sandbox", ""},
		"sandbox tokens":           {"sandbox Allow-Scripts allow-forms", "sandbox allow-scripts allow-forms", ""},
		"sandbox, unknown token":   {"sandbox allow-everything", "sandbox", `"allow-everything" is not one of allow-downloads`},
		"report-uri":               {"report-uri /.privacy/report https://r.example/a?b=c", "report-uri /.privacy/report https://r.example/a?b=c", ""},
		"report-uri, other scheme": {"report-uri javascript:alert(1)", "", "no http URL"},
		"report-uri, data":         {"report-uri data:x /r", "report-uri /r", "no http URL"},
		"report-uri, no host":      {"report-uri https:///r", "", "no http URL"},
		"report-uri, empty":        {"report-uri", "", "a value is missing"},
		"report-uri, no URL":       {"report-uri /%zz", "", "is no URL"},
		"report-uri, markup":       {"report-uri /<a>", "", "is no URL"},
		"dropped name still first": {"report-uri %; report-uri /r", "", "it stands there twice"},
		"report-to":                {"report-to group_1", "report-to group_1", ""},
		"report-to, two":           {"report-to a b", "report-to a", `"b" is one value too many`},
		"report-to, no token":      {"report-to a/b", "", `"a/b" is no token`},
		"webrtc":                   {"webrtc 'BLOCK'", "webrtc 'block'", ""},
		"webrtc, unknown":          {"webrtc block", "", `"block" is not one of`},
		"trusted types for":        {"require-trusted-types-for 'script'", "require-trusted-types-for 'script'", ""},
		"trusted types for style":  {"require-trusted-types-for 'style'", "", "is not one of 'script'"},
		"trusted types":            {"trusted-types a#b=_/@.% * 'Allow-Duplicates'", "trusted-types a#b=_/@.% * 'allow-duplicates'", ""},
		"trusted types, empty":     {"trusted-types", "trusted-types", ""},
		"trusted types, none":      {"trusted-types 'none' a", "trusted-types a", "'none' stands beside other values"},
		"trusted types, bad name":  {"trusted-types a&b", "trusted-types", "is no name of a Trusted Types policy"},
		"upgrade":                  {"upgrade-insecure-requests", "upgrade-insecure-requests", ""},
		"upgrade with a value":     {"upgrade-insecure-requests 1", "upgrade-insecure-requests", "stands where no value may"},
		"mixed content":            {"block-all-mixed-content;", "block-all-mixed-content", ""},
		"nonce slot in text":       {"script-src " + NonceSlot.text, "script-src 'none'", "not base64"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Parse(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if p.String() != tt.want {
				t.Errorf("got  %q\nwant %q", p, tt.want)
			}
			err = p.Validate()
			switch {
			case tt.ignored == "" && err != nil:
				t.Errorf("Validate refuses it: %v", err)
			case tt.ignored != "" && (err == nil || !strings.Contains(err.Error(), tt.ignored)):
				t.Errorf("Validate says %v, want %q", err, tt.ignored)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ in, reason string }{
		"two policies": {"img-src 'self', script-src *", "a comma separates policies"},
		"header line":  {"img-src 'self'\r\nSet-Cookie: a", `it holds "\r"`},
		"line feed":    {"img-src 'self'\nscript-src *", `it holds "\n"`},
		"NUL":          {"img-src\x00", `it holds "\x00"`},
		"DEL":          {"img-src\x7f", `it holds "\x7f"`},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Parse(tt.in)
			if err == nil || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("got %v, want %q", err, tt.reason)
			}
			if p.String() != "" {
				t.Errorf("a refused policy came out as %q", p)
			}
		})
	}
}

func TestValidateEmpty(t *testing.T) {
	if err := (Policy{}).Validate(); err == nil || !strings.Contains(err.Error(), "no directives") {
		t.Errorf("got %v", err)
	}
}

func TestBudget(t *testing.T) {
	start, name := "img-src https://x/", "img-src"
	fits := mustParse(t, start+strings.Repeat("a", Budget-len(start)))
	if err := fits.Validate(); err != nil {
		t.Errorf("%d bytes are refused: %v", len(fits.String()), err)
	}
	over := mustParse(t, fits.String()+"a")
	if err := over.Validate(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d bytes: got %v", len(over.String()), err)
	}
	if p, err := fits.With(name, Self); !errors.Is(err, ErrTooLarge) || p.String() != fits.String() {
		t.Errorf("With: got %v", err)
	}
	if p, err := fits.Set("report-uri", "/r"); !errors.Is(err, ErrTooLarge) || p.String() != fits.String() {
		t.Errorf("Set: got %v", err)
	}

	// The slot's text is shorter than the nonce it stands for.
	slotted, err := Policy{}.With("script-src", NonceSlot)
	if err != nil {
		t.Fatal(err)
	}
	room := Budget - len(slotted.Compile().Header(NewNonce())) - len("; img-src https://x/")
	if _, err := slotted.With("img-src", mustSource(t, "https://x/"+strings.Repeat("a", room))); err != nil {
		t.Errorf("the last byte is refused: %v", err)
	}
	if _, err := slotted.With("img-src", mustSource(t, "https://x/"+strings.Repeat("a", room+1))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one byte over: got %v", err)
	}
}

func TestWith(t *testing.T) {
	const base = "default-src 'none'; script-src 'self' 'unsafe-inline'; img-src 'self'; frame-ancestors 'self'"
	tests := map[string]struct {
		directive string
		sources   []string
		want      string
	}{
		"adds":                         {"img-src", []string{"https://x", "data:"}, "img-src 'self' https://x data:"},
		"adds once":                    {"img-src", []string{"'self'", "https://x", "HTTPS://X"}, "img-src 'self' https://x"},
		"name in capitals":             {"IMG-SRC", []string{"https://x"}, "img-src 'self' https://x"},
		"replaces none":                {"default-src", []string{"https://x"}, "default-src https://x"},
		"absent, none stands in":       {"font-src", []string{"https://x"}, "font-src https://x"},
		"absent, script-src stands in": {"script-src-elem", []string{"https://x"}, "script-src-elem 'self' 'unsafe-inline' https://x"},
		"absent, two steps":            {"frame-src", []string{"https://x"}, "frame-src https://x"},
		"ancestors":                    {"frame-ancestors", []string{"https://x"}, "frame-ancestors 'self' https://x"},
		"nothing":                      {"font-src", nil, "font-src 'none'"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := mustParse(t, base)
			var sources []Source
			for _, text := range tt.sources {
				sources = append(sources, mustSource(t, text))
			}
			wider, err := p.With(tt.directive, sources...)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Split(wider.String(), "; "); !slices.Contains(got, tt.want) {
				t.Errorf("got %q, want %q in it", got, tt.want)
			}
			if p.String() != base {
				t.Errorf("the old policy changed: %s", p)
			}
			if err := wider.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWithRefuses(t *testing.T) {
	tests := map[string]struct {
		directive string
		source    Source
		reason    string
	}{
		"unknown directive":     {"image-src", Self, `"image-src": no such directive`},
		"directive injection":   {"img-src *; script-src", Self, "no such directive"},
		"line in the name":      {"img-src\n", Self, "no such directive"},
		"no sources there":      {"sandbox", Self, "sandbox: it takes no sources"},
		"none":                  {"img-src", None, "'none' adds nothing"},
		"zero source":           {"img-src", Source{}, "a source is empty"},
		"fixed nonce":           {"script-src", Source{"'nonce-abc'", nonceSource}, "a nonce must be new in each response"},
		"slot where none loads": {"form-action", NonceSlot, "a nonce must be new in each response"},
		"keyword for ancestors": {"frame-ancestors", Source{"'unsafe-inline'", keywordSource}, "no source of frame-ancestors"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := mustParse(t, "img-src 'self'")
			got, err := p.With(tt.directive, Self, tt.source)
			if err == nil || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("got %v, want %q", err, tt.reason)
			}
			if got.String() != "img-src 'self'" {
				t.Errorf("the policy changed: %s", got)
			}
		})
	}
}

func TestWithFirstParty(t *testing.T) {
	p := mustParse(t, "default-src 'none'; script-src 'self'; img-src 'self' data:; font-src https://f; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'")
	wider, err := p.WithFirstParty(mustSource(t, "https://upload.example.org"), mustSource(t, "*.static.example"))
	if err != nil {
		t.Fatal(err)
	}
	want := "default-src 'none'; script-src 'self' https://upload.example.org *.static.example; " +
		"img-src 'self' data: https://upload.example.org *.static.example; font-src https://f; object-src 'none'; " +
		"base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
	if wider.String() != want {
		t.Errorf("got  %s\nwant %s", wider, want)
	}
	for _, text := range []string{"*", "https:", "'self'", "https://example.org/w/"} {
		if _, err := p.WithFirstParty(mustSource(t, text)); err == nil || !strings.Contains(err.Error(), "is not an origin") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestSet(t *testing.T) {
	p := mustParse(t, "default-src 'none'; img-src 'self'")
	for name, tt := range map[string]struct {
		directive string
		values    []string
		want      string
	}{
		"replaces":       {"img-src", []string{"https://x"}, "default-src 'none'; img-src https://x"},
		"empties":        {"img-src", nil, "default-src 'none'; img-src 'none'"},
		"adds sandbox":   {"sandbox", nil, "default-src 'none'; img-src 'self'; sandbox"},
		"adds report-to": {"report-to", []string{"csp"}, "default-src 'none'; img-src 'self'; report-to csp"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := p.Set(tt.directive, tt.values...)
			if err != nil || got.String() != tt.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// Every directive takes its values from outside through Set or With. None of them
// may let one in that ends the value, the directive, the policy or the line.
func TestNoDirectiveTakesSeparators(t *testing.T) {
	payloads := []string{
		"a;script-src", "a,b", "a b", "a\tb", "a\rb", "a\nb", "a\r\nSet-Cookie:c", "a\x00", "a\x7f", "ä", " ", "/a;b", "/a,b",
		"/a b", "https://x/;script-src", "'self';", "'script';", "'allow';", "allow-scripts;", "\u2028",
	}
	for name := range maps.Keys(grammars) {
		for _, payload := range payloads {
			p := mustParse(t, "img-src 'self'")
			got, err := p.Set(name, payload)
			if err == nil {
				t.Errorf("%s takes %q: %s", name, payload, got)
			}
			if got.String() != "img-src 'self'" {
				t.Errorf("%s %q changed the policy: %s", name, payload, got)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range presets {
		f.Add(p.text)
	}
	for _, text := range []string{
		"", ";", "img-src", "img-src 'none' *; img-src x", "sandbox allow-scripts;report-uri /r %zz;report-to a b",
		"trusted-types * 'none';webrtc 'allow'", "script-src 'nonce-{nonce}'", "img-src ü;\timg-src\f'self'", "a,b", "a\r\nb",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, header string) {
		p, err := Parse(header)
		if err != nil {
			return
		}
		text := p.String()
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f || r == ',' }) {
			t.Fatalf("policy %q", text)
		}
		again, err := Parse(text)
		if err != nil || again.String() != text {
			t.Fatalf("policy %q parses to %q, %v", text, again, err)
		}
		if err := again.Validate(); err != nil && text != "" && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("policy %q: %v", text, err)
		}
		if p.Compile().NeedsNonce() {
			t.Fatalf("policy %q has a nonce slot", text)
		}
	})
}

func mustParse(t testing.TB, header string) Policy {
	t.Helper()
	p, err := Parse(header)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustSource(t testing.TB, text string) Source {
	t.Helper()
	src, err := ParseSource(text)
	if err != nil {
		t.Fatal(err)
	}
	return src
}
