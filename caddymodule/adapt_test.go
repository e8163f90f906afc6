package caddymodule

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// Each golden file is a Caddyfile, a line of hyphens and the JSON it must become.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("golden files: %q, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			caddyfile, want, found := strings.Cut(string(data), "\n----------\n")
			if !found {
				t.Fatal("the line of hyphens is missing")
			}
			config, warnings, err := edgetest.AdaptWarnings(caddyfile + "\n")
			warnings = slices.DeleteFunc(warnings, func(w caddyconfig.Warning) bool { return strings.HasPrefix(w.Message, "INSECURE: allow_loopback") })
			if err != nil || len(warnings) > 0 {
				t.Fatalf("adapting: %v, warnings %v", err, warnings)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, config, "", "\t"); err != nil {
				t.Fatal(err)
			}
			if got.String() != strings.TrimSpace(want) {
				t.Errorf("got\n%s", &got)
			}
		})
	}
}
