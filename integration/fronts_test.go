//go:build integration

package integration

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// app is what stands behind the edge, in PHP.
type app interface {
	// site is the directives of a web server for it.
	site(t *testing.T, fastCGIOptions string) string
}

// front is a way to put the edge before PHP, and the MediaWiki there.
type front struct {
	name string
	// config completes a config whose site begins with the given directives.
	config func(t *testing.T, a app, config edgeConfig) edgeConfig
	wiki   release
}

// fronts are the two ways that operators use.
var fronts = []front{
	{"php_fastcgi", behindFastCGI, releases[0]},
	{"reverse_proxy", behindReverseProxy, releases[0]},
}

func behindFastCGI(t *testing.T, a app, config edgeConfig) edgeConfig {
	config.site += a.site(t, "")
	return config
}

// behindReverseProxy puts a second, unmasked web server between the edge and PHP.
// It passes on X-Forwarded-For as it came from the edge, as web servers do that
// know of a proxy before them.
func behindReverseProxy(t *testing.T, a app, config edgeConfig) edgeConfig {
	addr := freeAddr(t, "127.0.0.3")
	_, port, _ := net.SplitHostPort(addr)
	config.site += "\nreverse_proxy " + addr + "\n"
	config.others += fmt.Sprintf("http://:%s {\nbind 127.0.0.3\n%s\n}\n", port, a.site(t, "trusted_proxies 127.0.0.1/32"))
	return config
}

// site is the directives of a web server for the wiki.
func (w *wiki) site(t *testing.T, fastCGIOptions string) string {
	t.Helper()
	return strings.NewReplacer("WIKI", w.dir, "CODE", w.code, "SOCKET", shared.php.socket, "OPTIONS", fastCGIOptions).Replace(`
	root CODE
	handle_path /images/* {
		root WIKI/images
		file_server
	}
	handle {
		php_fastcgi unix/SOCKET {
			env MW_CONFIG_FILE WIKI/LocalSettings.php
			OPTIONS
		}
		file_server
	}
`)
}
