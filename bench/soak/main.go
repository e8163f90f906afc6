// Soak runs a whole edge under mixed load for minutes, on loopback: pages, edits, tools, reports, streams, WebSockets, bad requests, clients
// that leave and clients that are slow, of many addresses, while configs are reloaded, keys rotated, and a tool disabled and enabled.
//
//	go run ./bench/soak -minutes 10
//	go run ./bench/soak -minutes 2 -race
//
// Now and then the load pauses, and what the edge holds is read. It fails where that grows: goroutines, descriptors or heap, of which
// the second half after warming up is compared with the first; on an answer that was not to be expected, each 5xx among them; and
// on a client's address in anything that comes out: what the wiki and the tool receive, logs, metrics and answers of the admin API.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/wikiveil/wikiveil/bench/internal/process"
)

func main() { process.Main("soak", run) }

// options are what the command line says.
type options struct {
	minutes float64
	workers int
	race    bool
	edge    string
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	var o options
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Float64Var(&o.minutes, "minutes", 10, "how long the load lasts")
	flags.IntVar(&o.workers, "workers", 24, "requests at once")
	flags.BoolVar(&o.race, "race", false, "build the edge with the race detector")
	flags.StringVar(&o.edge, "edge", "", "binary of the edge; default: built from this checkout")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.minutes <= 0 || o.workers < 1 || flags.NArg() > 0 {
		return errors.New("a number is not positive, or there is a word too many")
	}
	if o.edge == "" {
		dir, err := os.MkdirTemp("", "wikiveil-soak")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if o.edge, err = build(ctx, dir, o.race); err != nil {
			return err
		}
	}
	s, err := newSoak(ctx, o, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return s.run(ctx, time.Duration(o.minutes*float64(time.Minute)))
}

func build(ctx context.Context, dir string, race bool) (string, error) {
	binary := filepath.Join(dir, "wikiveil")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, fmt.Sprintf("-race=%v", race), "github.com/wikiveil/wikiveil/cmd/wikiveil")
	cmd.Stderr = os.Stderr
	return binary, cmd.Run()
}
