package caddymodule

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/caddymodule/program"
)

// callsItselfCaddy finds Caddy as the program's name: as a command, and as what runs, starts or is built. What is Caddy's stays Caddy's.
var callsItselfCaddy = regexp.MustCompile(`(?m)(^|[^\w/.])caddy\b|Caddy (process|instance|binary|binaries|commands|server)|\bCADDY\b|(run|running|start|started|stop|upgrade|of|your|a|the|this) Caddy\b[^'’f]`)

// builtOn is how the program says what it is built on.
var builtOn = strings.NewReplacer("built on Caddy", "", "the Caddy that it is built on", "", "Of Caddy's own commands", "")

func TestProgramHasItsOwnName(t *testing.T) {
	e := edgetest.Place(t)
	run := func(args ...string) string {
		t.Helper()
		out, err := edgetest.Command(t, e, args...).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	manual := filepath.Join(e.Dir, "man")
	texts := map[string]string{"manpage": run("manpage", "--directory", manual)}
	for _, line := range []string{"--help", "help run", "run --help", "help version", "version", "mask --help", "completion bash", "completion zsh", "completion fish", "help completion"} {
		texts[line] = run(strings.Fields(line)...)
	}
	pages, err := filepath.Glob(manual + "/*")
	if err != nil || len(pages) < 40 {
		t.Fatalf("%d manual pages, %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(page); !strings.HasPrefix(name, "wikiveil") || !strings.Contains(string(text), `.TH "WIKIVEIL" "8"`) {
			t.Errorf("%s isn't Wikiveil's page:\n%.300s", name, text)
		}
		texts[filepath.Base(page)] = string(text)
	}
	for name := range caddycmd.Commands() {
		if _, found := texts["wikiveil-"+name+".8"]; !found && !strings.HasPrefix(name, "wikiveil-") && !regexp.MustCompile("^(upgrade|(add|remove)-package)$").MatchString(name) {
			t.Errorf("no manual page of %s", name)
		}
	}
	for name, text := range texts {
		if found := callsItselfCaddy.FindString(builtOn.Replace(text)); found != "" {
			t.Errorf("%s says %q", name, strings.TrimSpace(found))
		}
	}
	if !strings.HasPrefix(texts["version"], "Wikiveil "+program.Version+", built on Caddy") {
		t.Errorf("version: %s", texts["version"])
	}
	if !strings.Contains(texts["help run"], "wikiveil run [--config") || !strings.Contains(texts["run --help"], "Starts the Wikiveil process") {
		t.Errorf("run: %s", texts["help run"])
	}
}

// A download of Caddy's in this binary's place would mask nothing.
func TestProgramIsNotReplacedByCaddy(t *testing.T) {
	e := edgetest.Place(t)
	for _, name := range []string{"upgrade", "add-package", "remove-package"} {
		if out, err := edgetest.Command(t, e, name).CombinedOutput(); err == nil || !strings.Contains(string(out), `unknown command "`+name+`" for "wikiveil"`) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// The log says where to look.
func TestLogSaysWhatIsServed(t *testing.T) {
	_, secure, _ := strings.Cut(edgetest.FreePort(t), ":")
	e := edgetest.New(t, `{
		{GLOBAL}
	}
	http://{SITE}, http://wiki.example:{PORT} {
		bind 127.0.0.1
		client_mask
	}
	https://wiki.example:`+secure+` {
		bind 127.0.0.1
		tls internal
		client_mask
	}`)
	want := "serving http://" + e.Site + ", http://wiki.example:" + e.Port() + ", https://wiki.example:" + secure + `"`
	if log := e.ReadLog(t); !strings.Contains(log, want) {
		t.Errorf("no %q in\n%s", want, log)
	}
}
