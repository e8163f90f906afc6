package tools

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// A directory that can't be one is found when the config is checked, and none is quietly left out.
func TestBadToolDirectories(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for options, reason := range map[string]string{
		"mirror_dir " + file:                   "is not a directory",
		"mirror_dir " + file + "/below":        "is not a directory",
		"mirror_dir {env.WIKIVEIL_TEST_UNSET}": "mirror_dir {env.WIKIVEIL_TEST_UNSET} is empty",
	} {
		edgetest.WantRefused(t, edgetest.Validate(t, "{\n{GLOBAL}\nwikiveil {\n"+options+"\n}\n}\nhttp://{SITE} {\nanonproxy\n}\n"), reason)
	}
}
