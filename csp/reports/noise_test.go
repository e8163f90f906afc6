package reports

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

func TestDirectivesAreSorted(t *testing.T) {
	if !slices.IsSorted(directives) {
		t.Error("they are looked up by binary search")
	}
}

func TestNoise(t *testing.T) {
	const (
		page    = wiki + "/wiki/A"
		cdn     = "https://cdn.example/a.js"
		firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
		online  = "Mozilla/5.0 (Windows NT 10.0) Online/1.0 Chrome/156.0"
	)
	for name, c := range map[string]struct {
		document, blocked, file, agent string
		want                           Reason
	}{
		"none":                                 {page, cdn, page, firefox, ""},
		"a word within another":                {page, cdn, page, online, ""},
		"Chromium's extension, scheme alone":   {page, "chrome-extension", "", firefox, NoiseExtension},
		"Chromium's extension":                 {page, "chrome-extension://abc/x.js", "", firefox, NoiseExtension},
		"Firefox's extension loads":            {page, cdn, "moz-extension://abc/x.js", firefox, NoiseExtension},
		"Firefox's extension, scheme alone":    {page, "moz-extension", "", firefox, NoiseExtension},
		"Safari's extension":                   {page, cdn, "safari-web-extension://abc/x.js", "", NoiseExtension},
		"Safari's old extension":               {page, "safari-extension://com.a-1/", "", "", NoiseExtension},
		"Safari's masked extension":            {page, cdn, "webkit-masked-url://hidden/", "", NoiseExtension},
		"Edge's extension":                     {page, "ms-browser-extension://x", "", "", NoiseExtension},
		"capitals":                             {page, "Chrome-Extension://x", "", "", NoiseExtension},
		"a user script":                        {page, cdn, "user-script:1", firefox, NoiseExtension},
		"a user script in Firefox":             {page, BlockedEval, "sandbox eval code", firefox, NoiseExtension},
		"a host named as a scheme is none":     {page, "https://chrome-extension/", "", "", ""},
		"about:blank":                          {page, "about:blank", "", firefox, NoiseAbout},
		"about":                                {page, "about", "", firefox, NoiseAbout},
		"a page about:srcdoc":                  {"about:srcdoc", cdn, "", firefox, NoiseAbout},
		"Firefox's own script":                 {page, BlockedInline, "resource://gre/x.js", firefox, NoiseBrowser},
		"Facebook's browser":                   {page, cdn, page, "Mozilla/5.0 (iPhone) [FBAN/FBIOS;FBAV/400.0]", NoiseInApp},
		"an Android app's browser":             {page, BlockedInline, "", "Mozilla/5.0 (Linux; Android 14; X; wv) Version/4.0 Chrome/156", NoiseInApp},
		"LINE":                                 {page, BlockedInline, "", "Mozilla/5.0 (iPhone) Safari Line/14.1", NoiseInApp},
		"the Google app's scheme":              {page, "gsa://onpageload", "", "", NoiseInApp},
		"an app's bridge":                      {page, "jsbridge://x", "", "", NoiseInApp},
		"Google's translated page":             {"https://wiki-example.translate.goog/wiki/A?_x_tr_sl=de", cdn, "", "", NoiseTranslate},
		"Google's old translated page":         {"https://translate.googleusercontent.com/translate_c?u=x", cdn, "", "", NoiseTranslate},
		"a domain that ends the same":          {"https://nottranslate.goog/wiki/A", cdn, "", "", BadForeign},
		"Chrome translates in place":           {page, "https://translate.googleapis.com/t.js", "", "", NoiseTranslate},
		"Chrome's translation's style":         {page, "https://www.gstatic.com/_/translate_http/x.css", "", "", NoiseTranslate},
		"another file of that host":            {page, "https://www.gstatic.com/charts/loader.js", "", "", ""},
		"a gadget that translates":             {page, "https://translate.googleapis.com/t", wiki + "/w/load.php", "", ""},
		"Kaspersky":                            {page, "https://gc.kis.v2.scr.kaspersky-labs.com/1/main.js", "", "", NoiseInjected},
		"AdGuard's script loads":               {page, cdn, "https://local.adguard.org/x.js", "", NoiseInjected},
		"a domain that only ends as AdGuard's": {page, "https://notlocal.adguard.org.example/", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			record := func(agentMember string) []byte {
				return fmt.Appendf(nil, `{"type":"csp-violation","user_agent":%q,"body":{"documentURL":%q,"blockedURL":%q,"sourceFile":%q,"effectiveDirective":"script-src"}}`,
					agentMember, c.document, c.blocked, c.file)
			}
			for where, got := range map[string]Batch{
				"agent in the header": Parser{Own: own}.Parse(record(""), c.agent),
				"agent in the report": Parser{Own: own}.Parse(record(c.agent), ""),
			} {
				noise, bad, reports := map[Reason]int{}, map[Reason]int{}, 0
				switch c.want {
				case "":
					reports = 1
				case BadForeign:
					bad[c.want] = 1
				default:
					noise[c.want] = 1
				}
				if len(got.Reports) != reports || !maps.Equal(got.Noise, noise) || !maps.Equal(got.Bad, bad) {
					t.Errorf("%s: %+v, want %q", where, got, c.want)
				}
			}
		})
	}
}

func TestBlocked(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"https://CDN.Example/a?b#c", "https://cdn.example"},
		{"http://cdn.example:80/", "http://cdn.example"},
		{"https://cdn.example:8443", "https://cdn.example:8443"},
		{"wss://cdn.example:443/x", "wss://cdn.example"},
		{"https://[2001:DB8::1]:443/", "https://[2001:db8::1]"},
		{"https://user:pass@cdn.example/", "https://cdn.example"},
		{"inline", BlockedInline}, {"eval", BlockedEval}, {"wasm-eval", "wasm-eval"}, {"self", "self"},
		{"trusted-types-sink", "trusted-types-sink"},
		{"data", "data"}, {"data:text/html,secret", "data"}, {"BLOB:https://wiki.example/1", "blob"},
		{"", BlockedInline},
		{"mailto:someone@example", BlockedOther}, {"no-word-that-is-known", BlockedOther},
	} {
		if got, ok := blocked(c.text, "script-src-elem"); got != c.want || !ok {
			t.Errorf("%q: %q, %v, want %q", c.text, got, ok, c.want)
		}
	}
	if got, _ := blocked("", "frame-src"); got != BlockedUnspecified {
		t.Errorf("an empty text for a frame: %q", got)
	}
}
