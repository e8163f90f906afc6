package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const pinned = `"caddy_version": "v2.11.9"`

func TestParseConfig(t *testing.T) {
	plugins := `"plugins": [{"module_path": "example.org/a"}]`
	for name, test := range map[string]struct{ json, want string }{
		"good":                 {`{` + pinned + `,` + plugins + `, "os": "linux", "race_detector": true}`, ""},
		"empty file":           {``, "EOF"},
		"unknown field":        {`{` + pinned + `,` + plugins + `, "caddy_versoin": "v2.11.8"}`, `unknown field "caddy_versoin"`},
		"unknown nested field": {`{` + pinned + `, "plugins": [{"path": "example.org/a"}]}`, `unknown field "path"`},
		"two values":           {`{` + pinned + `,` + plugins + `} {}`, "keep one object"},
		"trailing junk":        {`{` + pinned + `,` + plugins + `} x`, "keep one object"},
		"no version":           {`{` + plugins + `}`, "pin one such as v2.11.9"},
		"floating version":     {`{"caddy_version": "latest", ` + plugins + `}`, "pin one such as v2.11.9"},
		"no plugins":           {`{` + pinned + `}`, "plugins is empty"},
		"plugin without path":  {`{` + pinned + `, "plugins": [{"version": "v1.0.0"}]}`, "plugins[0]: module_path is missing"},
		"half a replacement":   {`{` + pinned + `,` + plugins + `, "replacements": [{"old": "example.org/a"}]}`, "replacements[0]: old and new"},
		"timeout of go get":    {`{` + pinned + `,` + plugins + `, "timeout_get": 1000000000}`, "use timeout_build"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseConfig([]byte(test.json))
			switch {
			case test.want == "" && err != nil:
				t.Fatal(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Fatalf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestRelativePathsStartAtTheConfig(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "checkout", "go.mod"), "module example.org/a\n")
	config := filepath.Join(dir, "checkout", "build", "xcaddy.json")
	write(t, config, `{`+pinned+`,
		"plugins": [{"module_path": "example.org/a"}],
		"replacements": [
			{"old": "example.org/a", "new": ".."},
			{"old": "example.org/b", "new": "example.org/fork v1.2.3"}],
		"pgo_profile": "cpu.pprof",
		"embed_dir": [{"dir": "files"}]}`)
	t.Chdir(t.TempDir())

	builder, err := readConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]string{
		"replacement":        {builder.Replacements[0].New.String(), filepath.Join(dir, "checkout")},
		"module replacement": {builder.Replacements[1].New.String(), "example.org/fork v1.2.3"},
		"profile":            {builder.PgoProfile, filepath.Join(dir, "checkout", "build", "cpu.pprof")},
		"embedded folder":    {builder.EmbedDirs[0].Dir, filepath.Join(dir, "checkout", "build", "files")},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %s, want %s", what, pair[0], pair[1])
		}
	}
}

func TestReadConfigSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "xcaddy.json")
	if _, err := readConfig(config); err == nil || !strings.Contains(err.Error(), "-config") {
		t.Errorf("missing file: got error %v, want one that names -config", err)
	}
	write(t, config, `{`+pinned+`, "plugins": [{"module_path": "example.org/a"}], "replacements": [{"old": "example.org/a", "new": "."}]}`)
	_, err := readConfig(config)
	if err == nil || !strings.Contains(err.Error(), dir+" is no Go module's folder") {
		t.Errorf("no go.mod: got error %v, want one that names the folder", err)
	}
}

// The binary of go run ./cmd/wikiveil and that of go run ./cmd/build must be of one Caddy.
func TestProjectConfigPinsTheCaddyOfGoMod(t *testing.T) {
	builder, err := readConfig("../../xcaddy.json")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if line := "\tgithub.com/caddyserver/caddy/v2 " + builder.CaddyVersion + "\n"; !strings.Contains(string(mod), line) {
		t.Errorf("xcaddy.json pins Caddy %s and go.mod does not", builder.CaddyVersion)
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
