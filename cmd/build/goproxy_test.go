package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/xcaddy"
)

func TestPackagesOfReplaced(t *testing.T) {
	plugins := []xcaddy.Dependency{{PackagePath: "example.org/Wiki/a/b"}, {PackagePath: "example.org/wikis"}, {PackagePath: "example.org/other/p"}}
	for name, test := range map[string]struct {
		old, new string
		want     []string
	}{
		"each path inside":           {"example.org/Wiki", "/checkout", []string{"example.org/Wiki/a/b", "example.org/Wiki/a"}},
		"with a version":             {"example.org/Wiki@v1.0.0", "/checkout", []string{"example.org/Wiki/a/b", "example.org/Wiki/a"}},
		"the module itself":          {"example.org/wikis", "/checkout", nil},
		"replaced by another module": {"example.org/Wiki", "example.org/fork@v1.0.0", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := packagesOfReplaced(xcaddy.Builder{Plugins: plugins, Replacements: []xcaddy.Replace{xcaddy.NewReplace(test.old, test.new)}})
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestProxyBefore(t *testing.T) {
	t.Setenv("GOPROXY", "https://proxy.example,direct")
	temp := t.TempDir()
	got, err := proxyBefore(t.Context(), temp, xcaddy.Builder{
		Plugins:      []xcaddy.Dependency{{PackagePath: "example.org/Wiki/plugin"}},
		Replacements: []xcaddy.Replace{xcaddy.NewReplace("example.org/Wiki", "/checkout")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got, "file:///") || !strings.HasSuffix(got, "/goproxy,https://proxy.example,direct") {
		t.Errorf("got GOPROXY %s, want the tree and then the proxies in use", got)
	}
	list := filepath.Join(temp, "goproxy", "example.org", "!wiki", "plugin", "@v", "list")
	if content, err := os.ReadFile(list); err != nil || len(content) != 0 {
		t.Errorf("got list %q and error %v, want an empty list of versions", content, err)
	}
}
