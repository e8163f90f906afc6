package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/wikiveil/wikiveil/bench/internal/process"
)

// otherProxy is a reverse proxy that operators know. It does none of the edge's work.
type otherProxy struct {
	name, program string
	config        string // DIR, ADDRESS and WIKI stand for what the process gets
	args          []string
}

var otherProxies = []otherProxy{
	{"HAProxy", "haproxy", `defaults
	mode http
	timeout connect 5s
	timeout client 30s
	timeout server 30s
listen wiki
	bind ADDRESS
	server wiki WIKI
`, []string{"-db", "-f", "DIR/config"}},
	{"nginx", "nginx", `daemon off;
pid DIR/pid;
worker_processes auto;
error_log DIR/error.log;
events { worker_connections 768; }
http {
	access_log DIR/access.log;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	keepalive_requests 1000000;
	upstream wiki { server WIKI; keepalive 256; keepalive_requests 1000000; }
	server {
		listen ADDRESS;
		location / {
			proxy_pass http://wiki;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
		}
	}
}
`, []string{"-c", "DIR/config"}},
}

// startOthers starts those of them that are installed.
func (s *started) startOthers(ctx context.Context, wiki string) error {
	for _, proxy := range otherProxies {
		binary, err := findProgram(proxy.program)
		if err != nil {
			s.left = append(s.left, fmt.Errorf("%s is not installed", proxy.name))
			continue
		}
		p, err := process.Start(ctx, proxy.name, binary, func(address, dir string) ([]string, error) {
			place := strings.NewReplacer("DIR", dir, "ADDRESS", address, "WIKI", wiki)
			args := make([]string, len(proxy.args))
			for i, a := range proxy.args {
				args[i] = place.Replace(a)
			}
			return args, os.WriteFile(filepath.Join(dir, "config"), []byte(place.Replace(proxy.config)), 0o600)
		})
		if err != nil {
			return err
		}
		s.add(p)
	}
	return nil
}

// findProgram looks where servers are too, which users don't always have in their PATH.
func findProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}
