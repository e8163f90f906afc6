// Command cmd plays an adversary, a tool's owner who tries to link the tool's log to a
// wiki's public history, and prints how often their guesses are right, with each measure
// of the anonymizing proxy off and on:
//
//	go run ./bench/linkage/cmd
//
// See package linkage for what is modelled, and where the numbers are from.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/wikiveil/wikiveil/bench/linkage"
)

func main() {
	switch err := run(os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "linkage:", err)
		os.Exit(2)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	c := linkage.DefaultConfig()
	flags := flag.NewFlagSet("linkage", flag.ContinueOnError)
	flags.SetOutput(stderr)
	asJSON := flags.Bool("json", false, "print JSON")
	quiet := flags.Bool("quiet", false, "show no progress")
	flags.IntVar(&c.Days, "days", c.Days, "`days` to simulate for each row")
	flags.Uint64Var(&c.Seed, "seed", c.Seed, "seed of the first day")
	flags.BoolVar(&c.Scenarios, "scenarios", c.Scenarios, "also try other worlds")
	flags.Float64Var(&c.World.Views, "views", c.World.Views, "page `views` a day")
	flags.Float64Var(&c.World.Edits, "edits", c.World.Edits, "`edits` a day")
	flags.Float64Var(&c.World.NewPages, "new-pages", c.World.NewPages, "`pages` created a day")
	flags.IntVar(&c.World.Pages, "pages", c.World.Pages, "`pages` of the wiki")
	flags.Float64Var(&c.World.Adoption, "adoption", c.World.Adoption, "`share` of readers who use the gadget")
	flags.Float64Var(&c.World.Lookups, "lookups", c.World.Lookups, "`share` of views with a request unlike all others")
	flags.BoolVar(&c.World.ByRevision, "by-revision", c.World.ByRevision, "the gadget's URLs name the revision")
	flags.DurationVar(&c.World.DataLifetime, "lifetime", c.World.DataLifetime, "how long data may be kept")
	flags.Float64Var(&c.Measures.Refresh, "refresh", c.Measures.Refresh, "`share` of pages, hottest first, that are refreshed on schedule")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if !*quiet && isTerminal(stderr) {
		c.Progress = func(done, total int, name string) { fmt.Fprintf(stderr, "\r\x1b[K%d/%d %s", done, total, name) }
		defer fmt.Fprint(stderr, "\r\x1b[K")
	}
	report, err := linkage.Run(c)
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	return report.Print(stdout)
}

// isTerminal reports whether somebody watches.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
