package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// The tables stand between these lines of the document.
const (
	begin = "<!-- make bench: from here -->\n"
	end   = "<!-- make bench: to here -->\n"
)

// write replaces the document's tables.
func (r report) write(ctx context.Context, o options) error {
	old, err := os.ReadFile(o.doc)
	if err != nil {
		return err
	}
	before, rest, found := bytes.Cut(old, []byte(begin))
	_, after, ends := bytes.Cut(rest, []byte(end))
	if !found || !ends {
		return fmt.Errorf("%s has no place for the tables: the lines\n%s%s", o.doc, begin, end)
	}
	setting, err := setting(ctx, o)
	if err != nil {
		return err
	}
	text := setting + "\n" + r.bounds() + "\n" + r.contenders() + "\n" + r.sizes() + r.leftOut()
	return os.WriteFile(o.doc, fmt.Appendf(nil, "%s%s%s%s%s", before, begin, text, end, after), 0o644)
}

// setting says where and when the run was, and how to have it again.
func setting(ctx context.Context, o options) (string, error) {
	cpu, err := cpuModel()
	if err != nil {
		return "", err
	}
	versions, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", "github.com/caddyserver/caddy/v2").Output()
	if err != nil {
		return "", fmt.Errorf("asking for Caddy's version: %w", err)
	}
	return fmt.Sprintf("On %s, %d cores (%s), %s, Caddy %s: %d rounds of %v each.\n\n    %s\n",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), cpu, runtime.Version(), strings.TrimSpace(string(versions)),
		o.rounds, o.length, o.command()), nil
}

func cpuModel() (string, error) {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value), nil
		}
	}
	return "", errors.New("/proc/cpuinfo names no model")
}

// bounds is the table of the figures that have one.
func (r report) bounds() string {
	var t strings.Builder
	t.WriteString("row|what|against|measure|median (quartiles)|must be|verdict\n---|---|---|---|---|---|---\n")
	for _, p := range r {
		for _, f := range p.figures {
			if f.bound.kind != none {
				fmt.Fprintf(&t, "%s|%s|%s|%s|%s|%s|%s\n", p.row, f.of, f.against, f.measure, f, f.bound, f.verdict())
			}
		}
	}
	return t.String()
}

// contenders is the table of what each had by itself.
func (r report) contenders() string {
	var t strings.Builder
	t.WriteString("row|contender|a second|CPU, µs|p99, ms|MiB\n---|---|---|---|---|---\n")
	for _, p := range r {
		for _, c := range p.contenders {
			fmt.Fprintf(&t, "%s|%s|%.0f|%.1f|%.1f|%d\n", p.row, c.name, c.rate, c.cpu*1e6, c.p99*1e3, c.resident>>20)
		}
	}
	return t.String()
}

// sizes is the table of what edges of several sizes take to start.
func (r report) sizes() string {
	var t strings.Builder
	t.WriteString("an edge with|answers after, ms|CPU until settled, ms|MiB\n---|---|---|---\n")
	for _, p := range r {
		for _, s := range p.sizes {
			fmt.Fprintf(&t, "%s|%d|%d|%d\n", s.name, s.startup.Milliseconds(), s.cpu.Milliseconds(), s.resident>>20)
		}
	}
	return t.String()
}

func (r report) leftOut() string {
	var t strings.Builder
	for _, p := range r {
		if p.left != "" {
			fmt.Fprintf(&t, "\nLeft out (%s): %s.\n", p.row, p.left)
		}
	}
	return t.String()
}
