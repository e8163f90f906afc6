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
	"github.com/wikiveil/wikiveil/internal/testutil"
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
	n, err := edge.NetworkConfig{Name: "vpn", Ranges: []string{"{file." + path + "}", "2001:db8::/32"}}.Make()
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"1.0.0.1": true, "2.134.159.9": true, "2.134.160.1": false, "3.0.0.1": false, "64.0.0.1": false, "2001:db8::1": true,
	} {
		in := false
		for range n.Of(netip.MustParseAddr(addr)) {
			in = true
		}
		if in != want {
			t.Errorf("%s: want %t", addr, want)
		}
	}
	// By a placeholder that Caddy resolves it would be cut.
	for name, err := range map[string]error{
		"network": func() error {
			_, err := edge.NetworkConfig{Name: "vpn", Ranges: []string{"{file." + path + "} 192.0.2.1"}}.Make()
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
		"{file." + write("wide", "192.0.2.0/24\n192.0.2.0/2\n") + "}": `wide, line 2: 192.0.0.0/2 is too wide`,
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

// A network's lists are read, followed and kept; what can't work is said by validate, which writes nothing.
func TestNetworkSources(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	dir := t.TempDir()
	exits := filepath.Join(dir, "exits")
	write := func(list string) {
		t.Helper()
		if err := os.WriteFile(exits+".new", []byte(list), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(exits+".new", exits); err != nil {
			t.Fatal(err)
		}
	}
	const two = "127.66.0.1\n127.66.0.2\n"
	write(two)
	site := func(more string) string {
		return "{\n{GLOBAL}\nwikiveil {\nnetwork tor 127.66.9.0/24 {\nsource " + exits + "\n" + more + "\n}\n}\n}\nhttp://{SITE} {\nclient_mask\nreverse_proxy " + wiki.Address() + "\n}\n"
	}
	e := edgetest.New(t, site(""))
	names := func(source string) string {
		t.Helper()
		edgetest.Send(t, edgetest.From(t, source), "GET", "http://"+e.Site+"/", nil)
		return wiki.One(t).Header.Get("Client-Network")
	}
	if got := names("127.66.0.2") + names("127.66.0.3") + names("127.66.9.1"); got != "tortor" {
		t.Fatalf("in %q", got)
	}
	write("127.66.0.2\n127.66.0.3\n")
	testutil.Eventually(t, "the new list", func() bool { return names("127.66.0.3") == "tor" })
	if got := names("127.66.0.1"); got != "" {
		t.Errorf("what left the list is in %q", got)
	}
	// A reload with a broken list goes on with the last good one, and says so.
	write("<html>")
	e.Load(t, site("min_share 0.7"))
	if got := names("127.66.0.3"); got != "tor" {
		t.Errorf("after a reload with a broken list in %q", got)
	}
	metrics := e.Metrics(t)
	if metrics[`wikiveil_network_ranges{network="tor"}`] != 2 || metrics[`wikiveil_network_lists_missing{network="tor"}`] != 0 ||
		metrics[`wikiveil_network_list_refused_total{network="tor",reason="html"}`] != 1 {
		t.Errorf("metrics %v", metrics)
	}

	for more, want := range map[string]string{
		"source http://lists.example/exits":          "fetched by https, not http",
		"source https://user:key@lists.example/":     "neither name nor password",
		"source " + exits:                            "given twice",
		"source " + exits + "2 xml":                  `no format "xml"`,
		"source " + exits + "2":                      "put a good list there",
		"source https://lists.example/ anonymous-ip": "a database is read from a file",
		"source":               "wrong argument count",
		"refresh 10s":          "shorter than a minute",
		"min_share 1.5":        "not from 0 to 1",
		"min_share NaN":        "not from 0 to 1",
		"min_share 1\nrefresh": "wrong argument count",
		"colour red":           `unknown network option "colour"`,
	} {
		edgetest.WantRefused(t, edgetest.Validate(t, site(more)), want)
	}
	edgetest.WantRefused(t, edgetest.Validate(t, "{\n{GLOBAL}\nwikiveil {\nnetwork tor\n}\n}\n"), "no ranges and no source")
}
