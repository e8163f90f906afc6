package caddymodule

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
)

var update = flag.Bool("update", false, "write docs/options.md")

// docs/options.md is made of the tables that Caddyfiles are read by; go test -run TestOptionsDoc -update writes it.
func TestOptionsDoc(t *testing.T) {
	var text strings.Builder
	text.WriteString("# Options of the Caddyfile\n\n" +
		"Each option of each block. What is long stands in the pages for [masks](masks.md), [look-ups](lookups.md), [policies](policy.md) and " +
		"[tools](tools.md). What ends with … may stand several times. Another option is refused, and so is one that is given twice.\n")
	left := maps.Clone(options.Documented)
	for _, name := range []string{
		"wikiveil", "tool", "client_mask", "csp", "third_party_consent", "mask_info", "mask_reveal", "anonproxy",
	} {
		text.WriteString("\n" + left[name].Table())
		delete(left, name)
	}
	if len(left) != 0 {
		t.Errorf("this test lacks %v", slices.Collect(maps.Keys(left)))
	}
	sections := make(map[string]bool)
	var once []string // several blocks have some blocks in common
	for section := range strings.SplitSeq(text.String(), "\n### ") {
		if !sections[section] {
			sections[section] = true
			once = append(once, section)
		}
	}
	doc := strings.Join(once, "\n### ")
	const path = "../docs/options.md"
	if *update {
		if err := os.WriteFile(path, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if written, err := os.ReadFile(path); err != nil || string(written) != doc {
		t.Errorf("docs/options.md is out of date (%v): go test -run TestOptionsDoc -update ./caddymodule", err)
	}
}
