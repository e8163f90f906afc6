// Edgebench measures what the whole edge costs beside a Caddy that does less: all
// contenders of a row in turn, in rounds of a second over loopback. It writes what it
// found into docs/performance.md, and fails where a row misses its bound by more than
// the run's own spread.
//
//	go run ./bench/edge                    # as make bench does, after it installed HAProxy, nginx and PHP
//	go run ./bench/edge -list
//	go run ./bench/edge -rows page -rounds 20
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/bench/internal/load"
	"github.com/wikiveil/wikiveil/bench/internal/process"
)

func main() { process.Main("edgebench", run) }

// options are what the command line says.
type options struct {
	rows   *regexp.Regexp
	rounds int
	length time.Duration
	doc    string // file that gets the tables; none if empty
	list   bool
	args   []string
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("edgebench", flag.ContinueOnError)
	wanted := flags.String("rows", "", "measure only rows whose name matches this regular expression")
	flags.IntVar(&o.rounds, "rounds", 6, "rounds for each contender of a row")
	flags.DurationVar(&o.length, "time", time.Second, "length of a round")
	flags.StringVar(&o.doc, "doc", "", "file whose tables are replaced; default: docs/performance.md, and none with -rows")
	flags.BoolVar(&o.list, "list", false, "list the rows")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.rounds < 1 || o.length <= 0 || flags.NArg() > 0 {
		return o, errors.New("a number is not positive, or there is a word too many")
	}
	if o.doc == "" && *wanted == "" {
		o.doc = "docs/performance.md"
	}
	o.args = args
	o.rows, err = regexp.Compile(*wanted)
	return o, err
}

// command is what was typed.
func (o options) command() string {
	return strings.Join(append([]string{"go run ./bench/edge"}, o.args...), " ")
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == load.Command {
		return load.ServeApart(ctx, args[1:], out)
	}
	if len(args) > 0 && servers[args[0]] != nil {
		return servers[args[0]](ctx, args[1:], out)
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	var chosen []row
	for _, r := range rows {
		if !o.rows.MatchString(r.name) {
			continue
		}
		if o.list {
			fmt.Fprintf(out, "%-20s %s\n", r.name, r.title)
		}
		chosen = append(chosen, r)
	}
	if o.list {
		return nil
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no row's name matches %q: see -list", o.rows)
	}
	return measure(ctx, o, chosen, out)
}

// measure runs the rows, prints what they found and writes it down.
func measure(ctx context.Context, o options, chosen []row, out io.Writer) (err error) {
	b := &bench{options: o, out: out}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.build(ctx); err != nil {
		return err
	}
	var found report
	var failures error
	for _, r := range chosen {
		fmt.Fprintf(out, "%s: %s\n", r.name, r.title)
		part, err := r.run(ctx, b)
		if err != nil {
			failures = errors.Join(failures, fmt.Errorf("%s: %w", r.name, err))
			continue
		}
		part.row = r.name
		found = append(found, part)
		part.print(out)
	}
	if failures != nil {
		return errors.Join(failures, found.missed()) // and no document without them
	}
	if o.doc != "" {
		if err := found.write(ctx, o); err != nil {
			return err
		}
	}
	return found.missed()
}
