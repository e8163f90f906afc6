package csp

import (
	"slices"
	"strings"
	"testing"
)

func TestPresets(t *testing.T) {
	golden := map[string]string{
		"mediawiki": "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; script-src-attr 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; media-src 'self' blob:; object-src 'none'; base-uri 'self'; frame-ancestors 'self'; frame-src 'none'; worker-src 'none'; manifest-src 'self'",
		"strict":    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; script-src-attr 'none'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; media-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'self'; frame-src 'none'; worker-src 'none'; manifest-src 'self'; require-trusted-types-for 'script'",
		"static":    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; worker-src 'none'",
	}
	names := PresetNames()
	if len(names) != len(golden) {
		t.Errorf("presets %q have %d golden texts", names, len(golden))
	}
	for _, name := range names {
		p, err := Preset(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p.String() != golden[name] {
			t.Errorf("%s:\ngot  %s\nwant %s", name, p, golden[name])
		}
		if needs := p.Compile().NeedsNonce(); needs != (name == "strict") {
			t.Errorf("%s: NeedsNonce is %t", name, needs)
		}
	}
	if _, err := Preset("drupal"); err == nil || !strings.Contains(err.Error(), "there is mediawiki, strict, static") {
		t.Errorf("unknown preset: got %v", err)
	}
}

func TestTemplate(t *testing.T) {
	strict, err := Preset("strict")
	if err != nil {
		t.Fatal(err)
	}
	header := strict.Compile()
	first, second := NewNonce(), NewNonce()
	if first == second {
		t.Fatal("two nonces are equal")
	}
	got := header.Header(first)
	if n := strings.Count(got, "'nonce-"+first.String()+"'"); n != 2 {
		t.Errorf("the nonce is %d times in %s", n, got)
	}
	if len(got) != header.Size() {
		t.Errorf("Size is %d, the header has %d bytes", header.Size(), len(got))
	}
	policy, fence, _ := strings.Cut(got, ", ")
	for _, one := range []string{policy, fence} {
		if err := mustParse(t, one).Validate(); err != nil {
			t.Errorf("the header sent is not valid: %v", err)
		}
	}
	if strings.Contains(header.Header(second), first.String()) {
		t.Error("a nonce came back")
	}
	// Without a nonce nothing matches, rather than everything.
	if bare := mustParse(t, strings.ReplaceAll(header.Header(Nonce{}), ",", ";")); slices.Contains(bare.effective("script-src"), "'nonce-'") || bare.Validate() == nil {
		t.Errorf("the zero Nonce made a source: %s", bare)
	}
	if (Template{}).Header(first) != "" || (Template{}).Size() != 0 {
		t.Error("the zero Template is not empty")
	}
}

func TestNonceIs128Bits(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		n := NewNonce().String()
		if len(n) != 24 || !strings.HasSuffix(n, "==") || !isBase64Value(n) {
			t.Fatalf("nonce %q", n)
		}
		seen[n] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d nonces of 1000 are different", len(seen))
	}
}

func BenchmarkHeader(b *testing.B) {
	for _, name := range PresetNames() {
		policy, err := Preset(name)
		if err != nil {
			b.Fatal(err)
		}
		header := policy.Compile()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				nonce := Nonce{}
				if header.NeedsNonce() {
					nonce = NewNonce()
				}
				if header.Header(nonce) == "" {
					b.Fatal("no header")
				}
			}
		})
	}
}
