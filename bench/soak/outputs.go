package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func finderOf(clients []*client) *finder {
	var addrs []netip.Addr
	for _, c := range clients {
		addrs = append(addrs, c.addr)
	}
	return newFinder(addrs)
}

// answers are what the admin API tells at any time.
var answers = []string{
	"/metrics", "/config/", "/reverse_proxy/upstreams", "/wikiveil/keys", "/wikiveil/tools", "/wikiveil/blocks", "/wikiveil/clock",
	"/wikiveil/csp/reports", "/wikiveil/csp/rollout", "/debug/pprof/goroutine?debug=2", "/debug/vars",
}

// logs are files in the edge's directory; the last is what it prints.
var logs = []string{"access.log", "edge.log", "output"}

// lookThrough looks for clients' addresses in all that the edge wrote since it last did, and in what its admin API tells.
func (s *soak) lookThrough(ctx context.Context) error {
	for _, path := range answers {
		header, text, err := s.edge.get(ctx, path)
		if err != nil {
			return err
		}
		s.want("the admin API's "+path, fmt.Sprint(header)+text)
	}
	return s.lookThroughLogs()
}

func (s *soak) lookThroughLogs() error {
	for _, name := range logs {
		file := filepath.Join(s.edge.Dir, name)
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.Truncate(file, 0); err != nil { // logs are appended to
			return err
		}
		s.lookAtLines(name, string(data))
	}
	return nil
}

func (s *soak) lookAtLines(name, text string) {
	for rest := text; rest != ""; {
		line, after, _ := strings.Cut(rest, "\n")
		s.want(name, line)
		if strings.Contains(line, "panic") || strings.HasPrefix(line, "fatal error") || strings.Contains(line, "DATA RACE") && isOurs(rest) {
			s.fail("%s: %.6000s", name, rest)
			return
		}
		rest = after
	}
}

var outside = regexp.MustCompile(`(?m)^  (\w[\w-]*\.\w+/\S+)`) // a function that isn't of the standard library

// isOurs reports whether one of the two sides of a race is in Wikiveil's code. Caddy has races of its own, as when a reload
// closes the connections that were upgraded.
func isOurs(race string) bool {
	for _, side := range strings.SplitN(race, "\n\n", 3)[:min(2, 1+strings.Count(race, "\n\n"))] {
		if top := outside.FindStringSubmatch(side); top != nil && strings.HasPrefix(top[1], "github.com/wikiveil/") {
			return true
		}
	}
	return false
}

func (s *soak) want(where, text string) {
	if found := s.finder.find(text); found != "" {
		s.fail("%s holds a client's address, %s: …%.600s", where, found, text)
	}
}
