package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// Case 37. Commands print no control characters of what they are given, and read nothing that never ends.
func TestCase37CommandsBoundTheirInput(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(edgetest.Secret), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		stdin, reason string
		args          []string
	}{
		"an escape in a zone":     {args: []string{"mask", "--secret-file", secret, "fe80::1%\x1b[31m"}, reason: `"fe80::1%\x1b[31m" has characters that can't be printed`},
		"one on standard input":   {args: []string{"mask", "--secret-file", secret}, stdin: "203.0.113.9\nfe80::1%\x1b[31m\n", reason: "line 2: "},
		"one in a network":        {args: []string{"mask", "--secret-file", secret, "--network", "tor\x1b]0;x\a"}, reason: "can't be printed"},
		"turned around":           {args: []string{"mask", "--secret-file", secret, "fe80::1%\u202eth0"}, reason: "can't be printed"},
		"an endless secret":       {args: []string{"mask", "--secret-file", "/dev/zero", "203.0.113.9"}, reason: "/dev/zero is longer than 4096 bytes"},
		"an endless box":          {args: []string{"reveal", "--identity", "/dev/null", "--box", "/dev/zero"}, reason: ""},
		"an endless block page":   {},
		"an endless checkpoint":   {args: []string{"audit", "verify", "--checkpoint", "/dev/zero"}, reason: ""},
		"an endless key":          {args: []string{"tools", "verify", "--key", "/dev/zero", "/dev/zero"}, reason: ""},
		"an endless policy (csp)": {args: []string{"csp", "forecast", "--policy", "/dev/zero"}, reason: ""},
	} {
		t.Run(name, func(t *testing.T) {
			if len(c.args) == 0 {
				edgetest.WantRefused(t, edgetest.Validate(t, "http://{SITE} {\nclient_mask {\nblock_page /dev/zero\n}\n}\n"), "/dev/zero is longer than")
				return
			}
			out, err := edgetest.Run(t, c.stdin, c.args...)
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("got %q, %v, want %q", out, err, c.reason)
			}
			if strings.ContainsAny(out, "\x1b\a\u202e") {
				t.Errorf("printed %q", out)
			}
		})
	}
}
