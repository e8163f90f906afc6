package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/xcaddy"
)

// readConfig reads the JSON form of xcaddy's Builder from a file. Unknown
// fields are refused, and the folders and files it names by a relative path are
// taken from the config's own folder, so that the build does not depend on
// where the command was started.
func readConfig(name string) (xcaddy.Builder, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return xcaddy.Builder{}, fmt.Errorf("reading the build config (choose another with -config): %w", err)
	}
	builder, err := parseConfig(raw)
	if err != nil {
		return xcaddy.Builder{}, fmt.Errorf("%s: %w", name, err)
	}
	dir, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return xcaddy.Builder{}, fmt.Errorf("finding the folder of %s: %w", name, err)
	}
	if err := resolvePaths(&builder, dir); err != nil {
		return xcaddy.Builder{}, fmt.Errorf("%s: %w", name, err)
	}
	return builder, nil
}

// parseConfig decodes and checks what needs no file system.
func parseConfig(raw []byte) (xcaddy.Builder, error) {
	var builder xcaddy.Builder
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&builder); err != nil {
		return builder, fmt.Errorf("decoding JSON (the fields are those of xcaddy's Builder): %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return builder, errors.New("decoding JSON: more follows the first value; keep one object")
	}
	if !strings.HasPrefix(builder.CaddyVersion, "v") {
		return builder, fmt.Errorf("caddy_version %q is not a version; pin one such as v2.11.9", builder.CaddyVersion)
	}
	if len(builder.Plugins) == 0 {
		return builder, errors.New("plugins is empty; name the package to plug in as module_path")
	}
	for i, plugin := range builder.Plugins {
		if plugin.PackagePath == "" {
			return builder, fmt.Errorf("plugins[%d]: module_path is missing; set it to the package's import path", i)
		}
	}
	for i, replacement := range builder.Replacements {
		if replacement.Old == "" || replacement.New == "" {
			return builder, fmt.Errorf("replacements[%d]: old and new must both be set", i)
		}
	}
	if builder.TimeoutGet > 0 {
		// xcaddy swaps the caller's context for a fresh one here, and an
		// interrupted build would go on fetching.
		return builder, errors.New("timeout_get stops the build from being interrupted; use timeout_build")
	}
	return builder, nil
}

// resolvePaths makes the local paths of a config absolute.
func resolvePaths(builder *xcaddy.Builder, dir string) error {
	absolute := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	for i, replacement := range builder.Replacements {
		if !isFolder(replacement.New.String()) {
			continue // another module's path, perhaps with a version
		}
		folder := absolute(replacement.New.String())
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err != nil {
			return fmt.Errorf("replacements[%d]: %s is no Go module's folder; set new to the checkout's path, relative to this file: %w", i, folder, err)
		}
		builder.Replacements[i].New = xcaddy.ReplacementPath(folder)
	}
	for i := range builder.EmbedDirs {
		builder.EmbedDirs[i].Dir = absolute(builder.EmbedDirs[i].Dir)
	}
	builder.PgoProfile = absolute(builder.PgoProfile)
	return nil
}

// isFolder reports whether the go command takes a replacement for a folder
// rather than a module path.
func isFolder(path string) bool {
	return path == "." || path == ".." || filepath.IsAbs(path) ||
		strings.HasPrefix(path, "./") || strings.HasPrefix(path, "../") ||
		strings.HasPrefix(path, `.\`) || strings.HasPrefix(path, `..\`)
}
