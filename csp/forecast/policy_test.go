package forecast

import (
	"strings"
	"testing"
)

func TestParsePolicy(t *testing.T) {
	for name, c := range map[string]struct{ text, want, err string }{
		"a line":      {"img-src 'self'; connect-src *", "img-src 'self'; connect-src *", ""},
		"many lines":  {"# The next policy\nimg-src\n\t'self';\r\n\nconnect-src *;\n", "img-src 'self'; connect-src *", ""},
		"a header":    {"Content-Security-Policy-Report-Only: img-src 'self'", "img-src 'self'", ""},
		"a port":      {"img-src https://a.example:81", "img-src https://a.example:81", ""},
		"empty":       {"# nothing\n", "", "it is empty"},
		"two at once": {"img-src 'self', img-src *", "", "comma"},
		"unknown":     {"image-src 'self'", "", "no such directive"},
		"twice":       {"img-src 'self'; img-src *", "", "twice"},
		"no source":   {"img-src self", "", "single quotes"},
		"control":     {"img-src 'self'\x00", "", `"\x00"`},
		"too long":    {strings.Repeat(" ", 1<<17), "", "more than"},
		"over budget": {"img-src " + strings.Repeat("a", 5000), "", "4096"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParsePolicy(c.text)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want %q", err, c.err)
				}
			} else if err != nil || got.String() != c.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add("Content-Security-Policy: img-src 'self'\n# x\n; connect-src https://a.example")
	f.Add("script-src 'nonce-abc' 'sha256-x'")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePolicy(text)
		if err != nil {
			return
		}
		again, err := ParsePolicy(p.String())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%q reads as %q, %v", p, again, err)
		}
	})
}
