//go:build evaluator

package csp

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// serious are the severities that no preset may have a finding of, but for what its
// users force.
var serious = []string{"HIGH", "SYNTAX", "MEDIUM", "STRICT_CSP"}

// TestPresetsByEvaluator has csp_evaluator judge the presets. What it finds in them is
// listed in docs/policy.md.
func TestPresetsByEvaluator(t *testing.T) {
	policies := map[string]string{
		// These show that the evaluator finds what it should.
		"no semicolon": "default-src 'none' script-src 'self'",
		"open":         "script-src *; object-src *",
		"old strict":   "script-src 'nonce-AAAAAAAAAAAAAAAAAAAAAA==' 'strict-dynamic'; object-src 'none'; base-uri 'none'",
	}
	for _, name := range PresetNames() {
		policy, err := Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		// The evaluator reads one policy. What goes out behind the comma only forbids more.
		policies[name], _, _ = strings.Cut(policy.Compile().Header(NewNonce()), ", ")
	}
	found := evaluate(t, policies)
	for name, want := range map[string][]string{
		"mediawiki":    {"HIGH script-src 'unsafe-inline'"}, // MediaWiki's pages have inline scripts without a nonce
		"strict":       {"STRICT_CSP script-src"},           // 'strict-dynamic' would let third parties in, see preset.go
		"static":       nil,
		"no semicolon": {"SYNTAX default-src script-src"},
		"open":         {"HIGH script-src *", "HIGH object-src *"},
		"old strict":   {"STRICT_CSP script-src"},
	} {
		var got []string
		for _, line := range found[name] {
			if severity, _, _ := strings.Cut(line, " "); slices.Contains(serious, severity) {
				got = append(got, line)
			}
		}
		own := slices.Contains(PresetNames(), name)
		for _, line := range want {
			if !slices.Contains(got, line) && !own {
				t.Errorf("%s: %q is not found: %q", name, line, found[name])
			}
		}
		if own && !slices.Equal(got, want) {
			t.Errorf("%s: found %q, want %q", name, got, want)
		}
	}
	docs, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range PresetNames() {
		for _, line := range found[name] {
			if severity, rest, _ := strings.Cut(line, " "); severity != "NONE" && !strings.Contains(string(docs), "| `"+name+"` | "+severity+" | `"+rest+"` |") {
				t.Errorf("docs/policy.md does not list %s: %s", name, line)
			}
		}
	}
}

func evaluate(t *testing.T, policies map[string]string) map[string][]string {
	t.Helper()
	input, err := json.Marshal(policies)
	if err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Abs("../.cache/csp-evaluator/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "testdata/evaluator/evaluate.js")
	cmd.Stdin = bytes.NewReader(input)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running csp_evaluator, which `scripts/install-test-programs` installs: %v\n%s", err, out)
	}
	var found map[string][]string
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	return found
}
