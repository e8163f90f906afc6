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
	left := maps.Clone(options.Documented)
	sections := make(map[string]bool) // several blocks have some blocks in common
	for _, page := range []struct {
		path, intro string
		blocks      []string
	}{
		{"../docs/options.md", "# Options of the Caddyfile\n\n" +
			"Each option of each block; those of [tools and their proxy](options-tools.md) have a page of their own. What is long stands in the pages for [masks](masks.md), [look-ups](lookups.md) and " +
			"[policies](policy.md). What ends with … may stand several times. Another option is refused, and so is one that is given twice.\n",
			[]string{"wikiveil", "client_mask", "csp", "third_party_consent", "mask_info", "mask_reveal", "onion"}},
		{"../docs/options-tools.md", "# Options of tools and their proxy\n\n" +
			"Each option of `tool`, in the [`wikiveil` block](options.md), and of `anonproxy`. What is long stands in the pages for [tools](tools.md) and [the proxy](proxy.md).\n",
			[]string{"tool", "anonproxy"}},
	} {
		text := page.intro
		for _, name := range page.blocks {
			text += "\n" + left[name].Table()
			delete(left, name)
		}
		var once []string
		for section := range strings.SplitSeq(text, "\n### ") {
			if !sections[section] {
				sections[section] = true
				once = append(once, section)
			}
		}
		doc := strings.Join(once, "\n### ")
		if *update {
			if err := os.WriteFile(page.path, []byte(doc), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if written, err := os.ReadFile(page.path); err != nil || string(written) != doc {
			t.Errorf("%s is out of date (%v): go test -run TestOptionsDoc -update ./caddymodule", page.path, err)
		}
	}
	if len(left) != 0 {
		t.Errorf("this test lacks %v", slices.Collect(maps.Keys(left)))
	}
}
