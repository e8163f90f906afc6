package csp

import (
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	const site = "https://wiki.example"
	for name, c := range map[string]struct {
		policy, directive, blocked string
		page                       string // site by default
		want                       Verdict
	}{
		"exact origin":                      {"img-src https://cdn.example", "img-src", "https://cdn.example", "", Allows},
		"another host":                      {"img-src https://cdn.example", "img-src", "https://cdn.example.evil", "", Blocks},
		"host in another case":              {"img-src https://CDN.example", "img-src", "https://cdn.EXAMPLE", "", Allows},
		"http does not match https":         {"img-src https://cdn.example", "img-src", "http://cdn.example", "", Blocks},
		"http is upgraded":                  {"img-src http://cdn.example", "img-src", "https://cdn.example", "", Allows},
		"http with port 80 is upgraded":     {"img-src http://cdn.example:80", "img-src", "https://cdn.example", "", Allows},
		"http with another port":            {"img-src http://cdn.example:8080", "img-src", "https://cdn.example:8080", "", Depends},
		"https with port 80":                {"img-src https://cdn.example:80", "img-src", "https://cdn.example", "", Blocks},
		"the default port written out":      {"img-src https://cdn.example:443", "img-src", "https://cdn.example", "", Allows},
		"another port":                      {"img-src https://cdn.example", "img-src", "https://cdn.example:8443", "", Blocks},
		"any port":                          {"img-src https://cdn.example:*", "img-src", "https://cdn.example:8443", "", Allows},
		"no scheme takes the page's":        {"img-src cdn.example", "img-src", "https://cdn.example", "", Allows},
		"no scheme on a page of https":      {"img-src cdn.example", "img-src", "http://cdn.example", "", Blocks},
		"no scheme on a page of http":       {"img-src cdn.example", "img-src", "https://cdn.example", "http://wiki.example", Allows},
		"no scheme and no page":             {"img-src cdn.example", "img-src", "https://cdn.example", "none", Blocks},
		"wildcard covers names below":       {"img-src https://*.example.org", "img-src", "https://a.b.example.org", "", Allows},
		"wildcard does not cover the name":  {"img-src https://*.example.org", "img-src", "https://example.org", "", Blocks},
		"wildcard is no suffix of a label":  {"img-src https://*.example.org", "img-src", "https://badexample.org", "", Blocks},
		"address":                           {"img-src http://127.0.0.2:81", "img-src", "http://127.0.0.2:81", "", Allows},
		"path":                              {"img-src https://cdn.example/tiles/", "img-src", "https://cdn.example", "", Depends},
		"path of another host":              {"img-src https://cdn.example/tiles/", "img-src", "https://other.example", "", Blocks},
		"path /":                            {"img-src https://cdn.example/", "img-src", "https://cdn.example", "", Allows},
		"path beside a source without":      {"img-src https://cdn.example/a https://cdn.example", "img-src", "https://cdn.example", "", Allows},
		"scheme":                            {"img-src https:", "img-src", "https://cdn.example", "", Allows},
		"scheme http covers https":          {"img-src http:", "img-src", "https://cdn.example", "", Allows},
		"scheme https does not cover http":  {"img-src https:", "img-src", "http://cdn.example", "", Blocks},
		"scheme data":                       {"img-src data:", "img-src", "data", "", Allows},
		"data is not in *":                  {"img-src *", "img-src", "data", "", Blocks},
		"blob is not 'self'":                {"img-src 'self'", "img-src", "blob", "", Blocks},
		"*":                                 {"img-src *", "img-src", "http://cdn.example:81", "", Allows},
		"* with a port":                     {"img-src *:81", "img-src", "https://cdn.example", "", Blocks},
		"WebSocket by https":                {"connect-src https://cdn.example", "connect-src", "wss://cdn.example", "", Depends},
		"WebSocket by https, another host":  {"connect-src https://cdn.example", "connect-src", "wss://other.example", "", Blocks},
		"WebSocket by wss":                  {"connect-src wss://cdn.example", "connect-src", "wss://cdn.example", "", Allows},
		"WebSocket by *":                    {"connect-src *", "connect-src", "wss://cdn.example", "", Allows},
		"ws covers wss":                     {"connect-src ws://cdn.example", "connect-src", "wss://cdn.example", "", Allows},
		"'self'":                            {"img-src 'self'", "img-src", site, "", Allows},
		"'self' is not a sibling":           {"img-src 'self'", "img-src", "https://upload.wiki.example", "", Blocks},
		"'self' is not another port":        {"img-src 'self'", "img-src", site + ":8443", "", Blocks},
		"'self' over http takes https":      {"img-src 'self'", "img-src", site, "http://wiki.example", Allows},
		"'self' over https takes no http":   {"img-src 'self'", "img-src", "http://wiki.example", "", Blocks},
		"'self' takes its WebSocket":        {"connect-src 'self'", "connect-src", "wss://wiki.example", "", Allows},
		"'none'":                            {"img-src 'none'", "img-src", site, "", Blocks},
		"no directive":                      {"img-src 'none'", "connect-src", "https://cdn.example", "", Allows},
		"default-src stands in":             {"default-src https://cdn.example", "img-src", "https://cdn.example", "", Allows},
		"default-src does not stand beside": {"default-src https://cdn.example; img-src 'self'", "img-src", "https://cdn.example", "", Blocks},
		"default-src not for forms":         {"default-src 'none'", "form-action", "https://cdn.example", "", Allows},
		"forms":                             {"form-action 'self'", "form-action", "https://cdn.example", "", Blocks},
		"frames fall back to child-src":     {"child-src https://cdn.example; default-src 'none'", "frame-src", "https://cdn.example", "", Allows},
		"workers fall back to script-src":   {"script-src https://cdn.example; default-src 'none'", "worker-src", "https://cdn.example", "", Allows},
		"elements fall back":                {"script-src https://cdn.example", "script-src-elem", "https://cdn.example", "", Allows},
		"style elements alone":              {"style-src 'none'; style-src-elem https://cdn.example", "style-src-elem", "https://cdn.example", "", Allows},
		"a general report of a file":        {"style-src 'none'; style-src-elem https://cdn.example", "style-src", "https://cdn.example", "", Allows},
		"nonce may let a script":            {"script-src 'nonce-abc'", "script-src-elem", "https://cdn.example", "", Depends},
		"nonce lets no image":               {"img-src 'nonce-abc'", "img-src", "https://cdn.example", "", Blocks},
		"nonce may let a style sheet":       {"style-src 'nonce-abc'", "style-src-elem", "https://cdn.example", "", Depends},
		"hash may let a script":             {"script-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='", "script-src-elem", "https://cdn.example", "", Depends},
		"hash lets no style sheet":          {"style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='", "style-src-elem", "https://cdn.example", "", Blocks},
		"'strict-dynamic' heeds no host":    {"script-src 'strict-dynamic' https://cdn.example", "script-src-elem", "https://cdn.example", "", Depends},
		"'strict-dynamic' is for scripts":   {"default-src 'strict-dynamic' https://cdn.example", "img-src", "https://cdn.example", "", Allows},
		"inline":                            {"script-src 'self'", "script-src-elem", "inline", "", Blocks},
		"inline is allowed":                 {"script-src 'unsafe-inline'", "script-src-elem", "inline", "", Allows},
		"inline beside a nonce":             {"script-src 'unsafe-inline' 'nonce-abc'", "script-src-elem", "inline", "", Depends},
		"attribute beside a nonce":          {"script-src 'unsafe-inline' 'nonce-abc'", "script-src-attr", "inline", "", Blocks},
		"style beside 'strict-dynamic'":     {"style-src 'unsafe-inline' 'strict-dynamic'", "style-src-elem", "inline", "", Allows},
		"inline of either sort":             {"script-src 'unsafe-inline'; script-src-attr 'none'", "script-src", "inline", "", Depends},
		"eval":                              {"script-src 'self'", "script-src", "eval", "", Blocks},
		"eval is allowed":                   {"default-src 'unsafe-eval'", "script-src", "eval", "", Allows},
		"wasm by its own keyword":           {"script-src 'wasm-unsafe-eval'", "script-src", "wasm-eval", "", Allows},
		"eval not by wasm's keyword":        {"script-src 'wasm-unsafe-eval'", "script-src", "eval", "", Blocks},
		"Trusted Types":                     {"require-trusted-types-for 'script'", "require-trusted-types-for", "trusted-types-sink", "", Blocks},
		"no Trusted Types":                  {"script-src 'self'", "require-trusted-types-for", "trusted-types-sink", "", Allows},
		"prefetch, blocked for all":         {"default-src 'none'", "default-src", "https://cdn.example", "", Blocks},
		"prefetch, allowed for images":      {"default-src 'none'; img-src *", "default-src", "https://cdn.example", "", Depends},
		"prefetch-src falls back":           {"default-src 'none'", "prefetch-src", "https://cdn.example", "", Blocks},
		"not said what":                     {"img-src 'self'", "img-src", "unspecified", "", Depends},
		"not said what, all blocked":        {"img-src 'none'", "img-src", "unspecified", "", Blocks},
		"frame-ancestors":                   {"frame-ancestors 'self'", "frame-ancestors", site, "", Depends},
		"sandbox":                           {"sandbox", "sandbox", "", "", Depends},
	} {
		t.Run(name, func(t *testing.T) {
			page := site
			if c.page != "" {
				page = c.page
			}
			got, why := mustParse(t, c.policy).Judge(c.directive, c.blocked, page)
			if got != c.want {
				t.Errorf("got %q (%s), want %q", got, why, c.want)
			}
			if (why != "") != (got == Depends) {
				t.Errorf("%q has the reason %q", got, why)
			}
		})
	}
}

// What stands in for worker-src without child-src is script-src: adding must not take away.
func TestWithKeepsWhatStoodInForWorkers(t *testing.T) {
	p, err := mustParse(t, "default-src 'none'; script-src 'self'").With("worker-src", mustSource(t, "https://cdn.example"))
	if err != nil || !strings.Contains(p.String(), "worker-src 'self' https://cdn.example") {
		t.Errorf("got %s, %v", p, err)
	}
}

// FuzzJudge: no panic, and what a policy names, it allows.
func FuzzJudge(f *testing.F) {
	f.Add("default-src 'self'; img-src https://*.example:*", "img-src", "https://cdn.example", "https://wiki.example")
	f.Add("script-src 'strict-dynamic' 'nonce-abc'", "script-src", "inline", "")
	f.Add("worker-src *", "default-src", "data", "http://[::1]:80")
	f.Fuzz(func(t *testing.T, policy, directive, blocked, page string) {
		p, err := Parse(policy)
		if err != nil {
			return
		}
		verdict, why := p.Judge(directive, blocked, page)
		if verdict != Blocks && verdict != Allows && verdict != Depends || (why != "") != (verdict == Depends) {
			t.Fatalf("verdict %q (%s)", verdict, why)
		}
		source, err := ParseSource(blocked)
		if err != nil || !source.IsOrigin() || strings.Contains(blocked, "*") || source.String() != blocked || !strings.Contains(blocked, "://") {
			return
		}
		if _, ok := parseTarget(blocked); !ok {
			return
		}
		if p, err = p.With("img-src", source); err != nil {
			return
		}
		if verdict, _ := p.Judge("img-src", blocked, page); verdict != Allows {
			t.Fatalf("%s: %s, though it names %s", p, verdict, blocked)
		}
	})
}
