package csp

import "testing"

// Case 56: beside a policy in which scripts with the nonce load others, a second one keeps scripts of other sites out.
func TestCase56Fence(t *testing.T) {
	const own = "'self' 'unsafe-inline' 'unsafe-eval'"
	for name, tt := range map[string]struct{ policy, want string }{
		"no 'strict-dynamic'": {"script-src 'self' 'nonce-{nonce}'", ""},
		"no scripts":          {"img-src 'self'", ""},
		"'strict-dynamic'":    {"script-src 'strict-dynamic' 'unsafe-inline' https: 'nonce-{nonce}' 'sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='", "script-src " + own},
		"elements":            {"script-src 'none'; script-src-elem 'strict-dynamic'", "script-src " + own},
		"by default":          {"default-src 'strict-dynamic' http:", "script-src " + own},
		"a host":              {"script-src 'strict-dynamic' https://cdn.example *.upload.example", "script-src " + own + " https://cdn.example *.upload.example"},
		"reports":             {"script-src 'strict-dynamic'; report-uri /r; report-to csp", "script-src " + own + "; report-uri /r; report-to csp"},
	} {
		policy := mustParse(t, tt.policy)
		if got := policy.fence(); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
		want := policy.String()
		if tt.want != "" {
			want += ", " + tt.want
		}
		if got := policy.Compile(); len(got.Header(NewNonce())) != got.Size() || len(got.parts) == 1 && got.parts[0] != want {
			t.Errorf("%s: goes out as %q, want %q", name, got.Header(Nonce{}), want)
		}
	}
}
