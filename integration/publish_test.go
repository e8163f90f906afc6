//go:build integration

package integration

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/publish/wikiname"
)

// planted are spellings of 203.0.113.77 and 2a02:8109:b0:1c2::5e, one a line of a page.
var planted = []string{
	"203.0.113.77", "203.000.113.077", "[203.0.113.77]:443", "203.0.113.77:51234", "::ffff:203.0.113.77", "203%2E0%2E113%2E77", "203%252E0%252E113%252E77",
	"203&#46;0&#46;113&#46;77", `203\u002e0\u002e113\u002e77`, "２０３．０．１１３．７７", "77.113.0.203.in-addr.arpa", "ip-203-0-113-77.isp.example",
	"0313.0.0161.0115", base64.StdEncoding.EncodeToString([]byte("203.0.113.77")), fmt.Sprintf("%x", "203.0.113.77"),
	"2a02:8109:b0:1c2::5e", "2A02:8109:B0:1C2:0:0:0:5E", "2a02%3A8109%3Ab0%3A1c2%3A%3A5e", "v6-2A02810900B001C2000000000000005E",
	"e.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.c.1.0.0.b.0.0.9.0.1.8.2.0.a.2.ip6.arpa", "2a02-8109-b0-1c2--5e.ipv6-literal.net",
}

// checkLeft returns the lines of a file on which an address is left.
func checkLeft(t *testing.T, file string) map[int]bool {
	t.Helper()
	out, err := runCommand(t, "check", "--json", "--max", "10000", file)
	lines := map[int]bool{}
	whole := false
	for line := range strings.Lines(out) {
		var finding struct {
			Line  int
			Whole bool
		}
		if json.Unmarshal([]byte(line), &finding) == nil {
			lines[finding.Line] = finding.Line > 0
			whole = whole || finding.Whole
		}
	}
	delete(lines, 0)
	if !whole || (len(lines) == 0) != (err == nil) {
		t.Fatalf("check: %v\n%s", err, out)
	}
	return lines
}

// TestDumpIsScrubbedAndImported takes a wiki's dump with its readers' addresses into another wiki, without them.
func TestDumpIsScrubbedAndImported(t *testing.T) {
	f := fronts[0]
	f.wiki = releases[0]
	s := setScene(t, f, edgeConfig{unmasked: true}, "")
	t.Cleanup(func() { // they came to the wiki by themselves, and later tests look for their addresses in PHP's logs
		logs, err := filepath.Glob(filepath.Join(shared.php.logs, "*"))
		for _, log := range logs {
			err = errors.Join(err, os.Truncate(log, 0))
		}
		if err != nil {
			t.Error(err)
		}
	})
	a, m := s.visit(alice), s.visit(mallory)
	for _, edit := range []struct {
		by          *visitor
		title, text string
	}{
		{a, "Sandbox", "Asked [[User talk:" + mallory + "/Archive|" + mallory + "]] ~~~~"},
		{m, "User talk:" + alice, "Answered. ~~~~"},
		{m, "User talk:" + mallory + "/Archive", "Old. ~~~~"},
		{a, "Planted", strings.Join(planted, "\n\n")},
	} {
		if code := edit.by.edit(t, edit.title, edit.text); code != "" {
			t.Fatalf("%s: %s", edit.title, code)
		}
	}
	dir := t.TempDir()
	dump, secret, scrubbed := filepath.Join(dir, "dump.xml"), filepath.Join(dir, "secret"), filepath.Join(dir, "scrubbed.xml.gz")
	if err := s.wiki.php(filepath.Join(s.wiki.code, "maintenance/dumpBackup.php"), "--full", "--quiet", "--output=file:"+dump); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secret, []byte(strings.Repeat("42", masking.MinSecretSize)), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	left := checkLeft(t, dump)
	for i, line := range strings.Split(string(text), "\n") {
		for _, spelling := range planted {
			if plain := strings.ReplaceAll(line, "&amp;", "&"); (plain == spelling || strings.HasSuffix(plain, ">"+spelling) || strings.HasPrefix(plain, spelling+"<")) && !left[i+1] {
				t.Errorf("line %d has %s, and check doesn't find it", i+1, spelling)
			}
		}
		if (strings.Contains(line, alice) || strings.Contains(line, mallory)) && !left[i+1] {
			t.Errorf("line %d has an editor's address, and check doesn't find it", i+1)
		}
	}
	if len(left) < len(planted)+5 {
		t.Errorf("check finds %d lines", len(left))
	}

	if out, err := runCommand(t, "scrub", "--mode", "everywhere", "--secret-file", secret, "--output", scrubbed, dump); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if left := checkLeft(t, scrubbed); len(left) > 0 {
		t.Errorf("check finds what scrub left on lines %v", left)
	}
	wantImported(t, f, scrubbed)
}

func wantImported(t *testing.T, f front, scrubbed string) {
	masker, err := masking.NewMasker([]byte(strings.Repeat("\x42", masking.MinSecretSize)), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	// Pages are parsed while they are imported, some before those that they link to.
	other := setScene(t, f, edgeConfig{site: clientMask}, "\n$wgParserCacheType = CACHE_NONE;\n")
	if err := other.wiki.php(filepath.Join(other.wiki.code, "maintenance/importDump.php"), "--quiet", scrubbed); err != nil {
		t.Fatal(err)
	}
	maskOf := func(address string) netip.Addr {
		mask, err := masker.Client(netip.MustParseAddr(address))
		if err != nil {
			t.Fatal(err)
		}
		return mask
	}
	reader := other.visit(dave)
	for title, by := range map[string]string{
		"Sandbox": alice, "User talk:" + wikiname.Spell(maskOf(alice)): mallory, "User talk:" + wikiname.Spell(maskOf(mallory)) + "/Archive": mallory,
	} {
		history := reader.history(t, title)
		if len(history) != 1 {
			t.Fatalf("%s: %+v", title, history)
		}
		wantEditor(t, f, title, history[0].User, maskOf(by))
	}
	// The links lead to the page that has become the mask's, and to its contributions.
	page := reader.page(t, "/index.php?title=Sandbox")
	for _, want := range []string{
		`title="User talk:` + wikiname.Spell(maskOf(mallory)) + `/Archive">` + wikiname.Spell(maskOf(mallory)) + "<",
		`title="Special:Contributions/` + wikiname.Spell(maskOf(alice)) + `">`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("want %s in %s", want, page)
		}
	}
	if strings.Contains(page, alice) || strings.Contains(page, mallory) {
		t.Errorf("an address is in %s", page)
	}
}
