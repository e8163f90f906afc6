package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	_ "github.com/wikiveil/wikiveil/caddymodule"
	"github.com/wikiveil/wikiveil/internal/testutil/caddytest"
	"github.com/wikiveil/wikiveil/lookup/geo/geotest"
	"github.com/wikiveil/wikiveil/lookup/seal"
)

const exampleFile = "../../Caddyfile.example"

func TestMain(m *testing.M) {
	remove := caddytest.Isolate()
	code := m.Run()
	remove()
	os.Exit(code)
}

func readExample(t *testing.T) string {
	t.Helper()
	example, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(example)
}

func TestExampleIsCleanAndFormatted(t *testing.T) {
	example := readExample(t)
	if got := string(caddyfile.Format([]byte(example))); got != example {
		t.Error("Caddyfile.example is not formatted: run `go run ./cmd/wikiveil fmt --overwrite Caddyfile.example`")
	}
	_, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(example), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range warnings {
		t.Errorf("adapting warns: %s", warning)
	}
}

// What is commented out must work too once an operator takes the comment away.
func TestExampleAlternatives(t *testing.T) {
	var lines []string
	for line := range strings.Lines(readExample(t)) {
		code, commented := strings.CutPrefix(strings.TrimLeft(line, "\t"), "# ")
		if commented && isConfig(code) {
			line = code
		}
		lines = append(lines, line)
	}
	dir := t.TempDir()
	id, err := seal.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"tor-exits.txt": "192.0.2.1\n2001:db8::/64\n", "recipients": "# Alice\n" + id.Recipient().String() + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	geotest.Write(t, filepath.Join(dir, "GeoLite2-ASN.mmdb"), geotest.ASN, geotest.Networks{"192.0.2.0/24": geotest.Organization(64500, "Example")})
	config := strings.NewReplacer("/etc/wikiveil", dir, "/var/lib/GeoIP", dir, "keep 1\n", "keep 1\ndata_dir "+dir+"\n").Replace(strings.Join(lines, ""))
	adapted, err := adapt(t, config)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"name":"tor"`, `"origin":"https://maps.example.org"`, `"protocol":"fastcgi"`, `"seal":{"mode":"any"`, `"handler":"mask_info"`} {
		if !strings.Contains(string(adapted), part) {
			t.Errorf("the config lacks %s", part)
		}
	}
}

// isConfig tells the example's commented-out lines from its words.
func isConfig(line string) bool {
	word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch word {
	case "network", "tool", "kinds", "title", "purpose", "sends", "}", "root", "@private", "error", "php_fastcgi", "file_server",
		"sightings", "geoip", "seal", "mask_info", "wiki":
		return !strings.HasSuffix(strings.TrimSpace(line), ".") && !strings.HasSuffix(strings.TrimSpace(line), ":")
	}
	return false
}

// example is Caddyfile.example, running on free ports.
type example struct{ edge, wiki string }

func runExample(t *testing.T) example {
	t.Helper()
	edge, wiki, tool := freePort(t), freePort(t), freePort(t)
	config := strings.NewReplacer("8080", fmt.Sprint(edge), "8081", fmt.Sprint(wiki), "8082", fmt.Sprint(tool),
		"demo_wiki\n", fmt.Sprintf("demo_wiki {\n\t\tthird_party http://127.0.0.1:%d\n\t}\n", tool)).Replace(readExample(t))
	options := fmt.Sprintf("{\n\tadmin off\n\tpersist_config off\n\tstorage file_system %s\n", t.TempDir())
	adapted, err := adapt(t, strings.Replace(config, "{\n", options, 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caddy.Stop() })
	if err := caddy.Load(adapted, true); err != nil {
		t.Fatal(err)
	}
	return example{edge: fmt.Sprintf("http://localhost:%d", edge), wiki: fmt.Sprintf("http://127.0.0.1:%d", wiki)}
}

// askFrom asks a server for what it saw of a request from a loopback address.
func askFrom(t *testing.T, source, address string, header http.Header) Seen {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp4", addr)
		},
	}}
	r, err := http.NewRequest("GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var seen Seen
	if err := json.NewDecoder(answer.Body).Decode(&seen); err != nil {
		t.Fatalf("%s: status %d: %v", address, answer.StatusCode, err)
	}
	return seen
}

func TestExampleMasks(t *testing.T) {
	e := runExample(t)
	direct := askFrom(t, "127.0.0.2", e.wiki+"/request", http.Header{})
	if direct.Address != "127.0.0.2" || direct.Masked {
		t.Fatalf("around the edge the wiki saw %+v, want the address: the test would show nothing", direct)
	}

	lies := http.Header{"X-Forwarded-For": {"203.0.113.7"}, "True-Client-Ip": {"203.0.113.7"}, "Forwarded": {"for=203.0.113.7"}}
	first, again, other := askFrom(t, "127.0.0.2", e.edge+"/request", lies), askFrom(t, "127.0.0.2", e.edge+"/request", http.Header{}), askFrom(t, "127.0.0.3", e.edge+"/request", http.Header{})
	if !first.Masked || first.Address != again.Address {
		t.Errorf("one address: got %s and then %s, want the same mask", first.Address, again.Address)
	}
	if !other.Masked || other.Address == first.Address {
		t.Errorf("two addresses: got %s and %s, want two masks", first.Address, other.Address)
	}
	if len(first.Networks) != 2 || first.Networks[0] != other.Networks[0] || first.Networks[1] != other.Networks[1] {
		t.Errorf("got networks %v and %v, want the same /16 and /24", first.Networks, other.Networks)
	}
	for _, header := range first.Headers {
		if strings.Contains(header.Value, "127.0.0.2") || strings.Contains(header.Value, "203.0.113.7") {
			t.Errorf("%s: %s reached the wiki", header.Name, header.Value)
		}
	}
}

func TestExampleNote(t *testing.T) {
	e := runExample(t)
	answer, err := http.PostForm(e.edge+"/note", url.Values{"text": {"from behind the edge"}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	page := fetch(t, e.wiki)
	mask := askFrom(t, "127.0.0.1", e.edge+"/request", http.Header{}).Address
	if !strings.Contains(page, "from behind the edge") || !strings.Contains(page, "<code>"+mask+"</code>") {
		t.Errorf("the wiki's recent changes lack the note of %s", mask)
	}
}

func TestExampleTool(t *testing.T) {
	e := runExample(t)
	seen := askFrom(t, "127.0.0.2", e.edge+"/.tools/demo/request?for=me", http.Header{
		"User-Agent": {"secretive/1.0"}, "Cookie": {"a=secret"}, "Referer": {e.edge + "/secret"}, "Accept-Language": {"tlh"},
	})
	if seen.Address != "127.0.0.1" || seen.Path != "/request?for=me" {
		t.Errorf("the tool saw %+v, want the edge's address and the path", seen)
	}
	for _, header := range seen.Headers {
		for _, part := range []string{"secret", "127.0.0.2", "tlh", "2001:2"} {
			if strings.Contains(header.Value, part) {
				t.Errorf("%s: %s reached the tool", header.Name, header.Value)
			}
		}
	}
	if board := fetch(t, e.edge+"/.tools/"); !strings.Contains(board, "Demo tool") || !strings.Contains(board, "Shows in the demo what") {
		t.Errorf("the noticeboard lacks the demo's tool:\n%s", board)
	}
}
