package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/caddyserver/xcaddy"
)

// proxyBefore makes a file tree that the go command asks before the module
// proxies in use, and returns the GOPROXY value for both.
//
// The tree says that the plugin packages inside a replaced checkout are no
// modules of their own. The go command asks for them as such before it looks
// into the checkout, and a proxy that answers anything but "not found" for a
// path it does not know, as private mirrors do, would end the build.
func proxyBefore(ctx context.Context, temp string, builder xcaddy.Builder) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOPROXY").Output()
	if err != nil {
		return "", fmt.Errorf("asking go for GOPROXY (is Go installed and in PATH?): %w", err)
	}
	tree := filepath.Join(temp, "goproxy")
	for _, inner := range packagesOfReplaced(builder) {
		folder := filepath.Join(tree, filepath.FromSlash(escape(inner)), "@v")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return "", fmt.Errorf("writing a module list: %w", err)
		}
		if err := os.WriteFile(filepath.Join(folder, "list"), nil, 0o644); err != nil {
			return "", fmt.Errorf("writing a module list: %w", err)
		}
	}
	address := url.URL{Scheme: "file", Path: filepath.ToSlash(tree)}
	return address.String() + "," + strings.TrimSpace(string(out)), nil
}

// packagesOfReplaced lists the plugins' import paths, and the paths above
// them, that lie inside a module which a folder replaces.
func packagesOfReplaced(builder xcaddy.Builder) []string {
	var inner []string
	for _, replacement := range builder.Replacements {
		if !isFolder(replacement.New.String()) {
			continue
		}
		module, _, _ := strings.Cut(replacement.Old.String(), "@")
		for _, plugin := range builder.Plugins {
			for p := plugin.PackagePath; strings.HasPrefix(p, module+"/"); p = path.Dir(p) {
				inner = append(inner, p)
			}
		}
	}
	return inner
}

// escape writes a module path as module proxies do: an exclamation mark and
// the small letter for each capital (https://go.dev/ref/mod#module-proxy).
func escape(modulePath string) string {
	var b strings.Builder
	for _, r := range modulePath {
		if unicode.IsUpper(r) {
			b.WriteByte('!')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
