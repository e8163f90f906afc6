package edge_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// Case 14: Caddy cuts a file that a placeholder gives at 1 MiB. The list is read whole all the same.
func TestCase14LongListIsReadWhole(t *testing.T) {
	var list strings.Builder
	list.WriteString("\ufeff# Anonymisers\r\n")
	for i := range 100_000 {
		fmt.Fprintf(&list, "%d.%d.%d.0/24 ; one\r\n", 1+i>>16, i>>8&255, i&255)
	}
	path := filepath.Join(t.TempDir(), "big.txt")
	if err := os.WriteFile(path, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if list.Len() < edge.CaddyFileLimit {
		t.Fatal("the list is short")
	}
	n, err := edge.NetworkConfig{"vpn", []string{"{file." + path + "}", "2001:db8::/32"}}.Make()
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"1.0.0.1": true, "2.134.159.9": true, "2.134.160.1": false, "3.0.0.1": false, "64.0.0.1": false, "2001:db8::1": true,
	} {
		if n.Contains(netip.MustParseAddr(addr)) != want {
			t.Errorf("%s: want %t", addr, want)
		}
	}
	// By a placeholder that Caddy resolves it would be cut.
	for name, err := range map[string]error{
		"network": func() error {
			_, err := edge.NetworkConfig{"vpn", []string{"{file." + path + "} 192.0.2.1"}}.Make()
			return err
		}(),
		"secret": func() error { _, _, err := edge.ResolveSecret("{file." + path + "}"); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "as far as Caddy reads a file") || len(err.Error()) > 500 {
			t.Errorf("%s: %.500v", name, err)
		}
	}
}

// Cases 14 and 15: a bad line is named, with its file and the directive's place.
func TestCase15ListsInConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, list string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(list), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("TEST_RANGES", "192.0.2.0/24 192.0.3.0/24 # two")
	config := func(ranges string) string {
		return "{\n{GLOBAL}\nwikiveil {\nnetwork vpn " + ranges + "\n}\n}\nhttp://{SITE} {\nclient_mask\n}\n"
	}
	for _, good := range []string{
		"{file." + write("good", "\ufeff# x\r\n192.0.2.0/24 ; y\r\n\r\n192.0.3.1-192.0.3.9\r\n") + "}", "{env.TEST_RANGES}", "192.0.2.1 2001:db8::/32",
	} {
		if err := edgetest.Validate(t, config(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for ranges, want := range map[string]string{
		"{file." + write("wide", "192.0.2.0/24\n192.0.2.0/2\n") + "}": `wide, line 2: "192.0.2.0/2" is too wide`,
		"{file." + write("words", "# x\nexample.org\n") + "}":         `words, line 2: "example.org" is neither`,
		"{file." + write("empty", "# nothing\n") + "}":                "there are no ranges in {file.",
		"{file." + filepath.Join(dir, "none") + "}":                   "there is no such file",
		"{env.TEST_NO_SUCH_RANGES}":                                   "there are no ranges in {env.",
	} {
		if err := edgetest.Validate(t, config(ranges)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", ranges, err, want)
		}
	}
}
