// Package caddytest keeps tests that run Caddy in their own process away from the files of the user who runs
// them: call [Isolate] first thing in TestMain.
package caddytest

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
)

// Isolate moves what Caddy keeps outside of a config's own storage (its instance id, the last config, the
// default storage) into a temporary directory, for this process and those that it starts. The function that it
// returns removes the directory.
func Isolate() (remove func()) {
	dir, err := os.MkdirTemp("", "wikiveil-test")
	if err != nil {
		panic(fmt.Errorf("making a directory for Caddy's files: %w", err))
	}
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_DATA_HOME"} {
		if err := os.Setenv(name, dir); err != nil {
			panic(err)
		}
	}
	// Caddy has read the environment by now.
	caddy.ConfigAutosavePath = filepath.Join(caddy.AppConfigDir(), "autosave.json")
	caddy.DefaultStorage = &certmagic.FileStorage{Path: caddy.AppDataDir()}
	return func() { os.RemoveAll(dir) }
}
