package csp

import (
	"strings"
	"testing"
)

// Case 56: beside a policy in which a nonce lets scripts or sheets come from anywhere, a second one keeps those of other
// sites out.
func TestCase56Fence(t *testing.T) {
	const scripts, styles = "script-src 'self' 'unsafe-inline' 'unsafe-eval'", "style-src 'self' 'unsafe-inline'"
	for name, tt := range map[string]struct {
		policy, want string
		nonced       []string
	}{
		"no nonce":         {"script-src 'self' 'unsafe-inline'; style-src 'self'", "", nil},
		"no scripts":       {"img-src 'self'", "", nil},
		"a nonce":          {"script-src 'self'", scripts, []string{"script-src"}},
		"styles":           {"script-src 'self'; style-src 'self' https://a.example", styles + " https://a.example", []string{"style-src"}},
		"both":             {"script-src 'self'; style-src 'self'", scripts + "; " + styles, []string{"script-src", "style-src"}},
		"'strict-dynamic'": {"script-src 'strict-dynamic' 'unsafe-inline' https: 'sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='", scripts, nil},
		"elements":         {"script-src 'none'; script-src-elem 'strict-dynamic'", scripts, nil},
		"by default":       {"default-src 'strict-dynamic' http:", scripts + "; " + styles, nil},
		"a host":           {"script-src 'strict-dynamic' https://cdn.example *.upload.example", scripts + " https://cdn.example *.upload.example", nil},
		"reports":          {"script-src 'strict-dynamic'; report-uri /r; report-to csp", scripts + "; report-uri /r; report-to csp", nil},
	} {
		policy := mustParse(t, tt.policy)
		for _, directive := range tt.nonced {
			var err error
			if policy, err = policy.With(directive, NonceSlot); err != nil {
				t.Fatal(err)
			}
		}
		if got := policy.fence(); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
		want := policy.String()
		if tt.want != "" {
			want += ", " + tt.want
		}
		if got := policy.Compile(); len(got.Header(NewNonce())) != got.Size() || strings.Join(got.parts, NonceSlot.text) != want {
			t.Errorf("%s: goes out as %q, want %q", name, got.Header(Nonce{}), want)
		}
	}
}
