package demo

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func adapt(t *testing.T, config string) ([]byte, error) {
	t.Helper()
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), map[string]any{"filename": "Caddyfile"})
	return adapted, err
}

// load runs a Caddyfile, in place of the one before.
func load(t *testing.T, config string) {
	t.Helper()
	adapted, err := adapt(t, fmt.Sprintf("{\n\tadmin off\n\tpersist_config off\n\tstorage file_system %s\n}\n%s", t.TempDir(), config))
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(adapted, true); err != nil {
		t.Fatal(err)
	}
}

// ports counts up below the range that systems take clients' ports from, so that no
// outgoing connection takes one before it is used.
var ports = 10_000 + os.Getpid()%200*100

func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		ports++
		if listener, err := net.Listen("tcp", fmt.Sprintf(":%d", ports)); err == nil {
			listener.Close()
			return ports
		}
	}
	t.Fatal("no free port")
	return 0
}

func fetch(t *testing.T, address string) string {
	t.Helper()
	answer, err := http.Get(address)
	for tries := 1; err != nil && tries < 5; tries++ {
		// After a reload a connection may have waited at the old config's socket.
		answer, err = http.Get(address)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestReloadKeepsNotesAndCounts(t *testing.T) {
	t.Cleanup(func() { _ = caddy.Stop() })
	wiki, tool := freePort(t), freePort(t)
	config := fmt.Sprintf(`
		http://:%d {
			bind 127.0.0.1
			demo_wiki {
				third_party http://127.0.0.1:%[2]d
				tool %%s
			}
		}
		http://:%[2]d {
			bind 127.0.0.1
			demo_tool
		}`, wiki, tool)
	wikiAddress, toolAddress := fmt.Sprintf("http://127.0.0.1:%d", wiki), fmt.Sprintf("http://127.0.0.1:%d", tool)

	load(t, fmt.Sprintf(config, "first"))
	answer, err := http.PostForm(wikiAddress+"/note", url.Values{"text": {"to be kept"}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	fetch(t, toolAddress+"/tracker.js?view=kept")

	load(t, fmt.Sprintf(config, "second"))
	page := fetch(t, wikiAddress)
	if !strings.Contains(page, `data-tool="/.tools/second"`) {
		t.Error("the new config is not in use")
	}
	if !strings.Contains(page, "to be kept") {
		t.Error("the note is gone")
	}
	if count := fetch(t, toolAddress+"/count?view=kept"); !strings.Contains(count, `"script": 1`) {
		t.Errorf("the count is gone: %s", count)
	}

	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{notesKey, toolKey} {
		if references, exists := pool.References(key); exists {
			t.Errorf("%s has %d references after the last config", key, references)
		}
	}
}

func TestCaddyfileRefuses(t *testing.T) {
	for name, test := range map[string]struct{ directive, want string }{
		"an argument":         {"demo_wiki 8081", "Caddyfile:2"},
		"an unknown option":   {"demo_wiki {\n third_part http://127.0.0.1\n}", `unknown option "third_part"`},
		"an option without":   {"demo_wiki {\n tool\n}", "Caddyfile:3"},
		"an option with more": {"demo_wiki {\n tool a b\n}", "Caddyfile:3"},
		"a tool's argument":   {"demo_tool x", "Caddyfile:2"},
		"a tool's option":     {"demo_tool {\n x\n}", "Caddyfile:3"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := adapt(t, "http://localhost:8081 {\n"+test.directive+"\n}\n")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestBadOriginFailsProvisioning(t *testing.T) {
	adapted, err := adapt(t, "http://localhost:8081 {\n demo_wiki {\n third_party nonsense\n }\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	config := new(caddy.Config)
	if err := caddy.StrictUnmarshalJSON(adapted, config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(config); err == nil || !strings.Contains(err.Error(), `"nonsense" is no origin`) {
		t.Errorf("got error %v", err)
	}
	if _, exists := pool.References(notesKey); exists {
		t.Error("a config that was refused holds on to the notes")
	}
	for _, handler := range []caddy.CleanerUpper{new(WikiHandler), new(ToolHandler)} {
		if err := handler.Cleanup(); err != nil {
			t.Errorf("cleaning up an unprovisioned %T: %v", handler, err)
		}
	}
}
