package main

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// config is a Caddyfile. DIR and PORT stand for what the process gets.
type config struct {
	global       string // lines of the global options
	site         string // lines of the one site
	certificates string // directory with a certificate; empty: without TLS
}

const caddyfile = `{
	admin off
	persist_config off
	auto_https disable_redirects
	skip_install_trust
	storage file_system DIR
	GLOBAL
}
SCHEME://:PORT {
	bind 127.0.0.1
	SITE
}
`

// write writes it down and returns Caddy's arguments.
func (c config) write(address, dir string) ([]string, error) {
	scheme, site := "http", c.site
	if c.certificates != "" {
		scheme, site = "https", fmt.Sprintf("tls %[1]s/cert.pem %[1]s/key.pem%s", c.certificates, c.site)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	text := strings.NewReplacer("GLOBAL", c.global, "SCHEME", scheme, "SITE", site).Replace(caddyfile)
	text = strings.NewReplacer("DIR", dir, "PORT", port).Replace(text)
	file := filepath.Join(dir, "Caddyfile")
	return []string{"run", "--config", file}, os.WriteFile(file, []byte(text), 0o600)
}

const (
	edgeGlobal = `
	log {
		format masked json
	}
	wikiveil {
		data_dir DIR
	}`
	edgeSite = `
	client_mask {
		networks xff
	}
	csp
	anonproxy`
	// The file isn't rolled: packing it meets whoever comes next.
	plainLog = `
	log {
		output file DIR/access.log {
			roll_disabled
		}
		format json
	}`
)

var maskedLog = strings.Replace(plainLog, "format json", "format masked json", 1)

func plainProxy(to string) string { return "\n\treverse_proxy " + to }

// proxy keeps as many connections to the wiki as the edge does by itself.
func proxy(wiki, more string) string {
	return fmt.Sprintf(`
	reverse_proxy %s {
		transport http {
			keepalive_idle_conns_per_host 256
		}
		%s
	}`, wiki, more)
}

// deleted are the fields in which a client's address commonly comes.
var deleted = []string{
	"Forwarded", "Via", "X-Real-IP", "X-Client-IP", "Client-IP", "True-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP",
	"X-Cluster-Client-IP", "X-Forwarded", "X-Original-Forwarded-For",
}

// headerWork is what a Caddyfile without Wikiveil can do of its work: set the same fields, and delete those.
func headerWork(wiki string, fields map[string]string) (string, error) {
	var site, up strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := fields[name]
		if strings.ContainsAny(value, "`{}") {
			return "", fmt.Errorf("a Caddyfile can't hold the edge's %s as it is", name)
		}
		fmt.Fprintf(&site, "\n\theader %s `%s`", name, value)
	}
	for _, name := range deleted {
		fmt.Fprintf(&up, "header_up -%s\n\t\t", name)
	}
	return site.String() + proxy(wiki, up.String()), nil
}
