package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/wikiveil/wikiveil/bench/internal/rounds"
)

// part is what one row found.
type part struct {
	row        string
	contenders []contenderFigures
	sizes      []sizeFigures
	figures    []figure
	left       string // what was left out, and why
}

type report []part

// contenderFigures are one contender's own, which no bound is for.
type contenderFigures struct {
	name             string
	rate             float64 // answers a second
	cpu, p99, client float64 // seconds: medians
	resident         int64   // bytes, after the last round
}

// sizeFigures are what an edge of some size takes by itself.
type sizeFigures struct {
	name     string
	startup  time.Duration // until it answers
	cpu      time.Duration // until it had settled
	resident int64         // bytes, then
}

// figure compares two contenders by one measure.
type figure struct {
	of, against string
	measure     string
	found       rounds.Summary
	bound       bound
}

// bound is what a figure must be.
type bound struct {
	value  float64
	kind   boundKind
	format string // of the figure; default %.2f
}

type boundKind int

const (
	none boundKind = iota // for information
	least
	most
)

func atLeast(v float64) bound { return bound{value: v, kind: least} }
func atMost(v float64) bound  { return bound{value: v, kind: most} }

type verdict string

const (
	unbound verdict = ""
	holds   verdict = "holds"
	within  verdict = "missed, within the spread"
	missed  verdict = "missed"
)

// verdict is missed where nothing was measured, and else only where even the better quartile misses the bound: the run's own spread doesn't explain it.
func (f figure) verdict() verdict {
	if f.bound.kind != none && f.found == (rounds.Summary{}) {
		return missed
	}
	median, best := f.found.Median, f.found.High
	limit := f.bound.value
	switch f.bound.kind {
	case none:
		return unbound
	case most: // the same the other way round
		median, best, limit = -median, -f.found.Low, -limit
	}
	switch {
	case median >= limit:
		return holds
	case best >= limit:
		return within
	}
	return missed
}

func (b bound) String() string {
	switch b.kind {
	case least:
		return "≥ " + b.show(b.value)
	case most:
		return "≤ " + b.show(b.value)
	}
	return "–"
}

func (b bound) show(v float64) string {
	if b.format == "" {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf(b.format, v)
}

// String is the figure with its spread.
func (f figure) String() string {
	if f.found.Low == f.found.High {
		return f.bound.show(f.found.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", f.bound.show(f.found.Median), f.bound.show(f.found.Low), f.bound.show(f.found.High))
}

// words are the figure in one line.
func (f figure) words() string {
	if f.against == "" {
		return fmt.Sprintf("%s, %s: %s", f.of, f.measure, f)
	}
	return fmt.Sprintf("%s against %s, %s: %s", f.of, f.against, f.measure, f)
}

// print is for who watches.
func (p part) print(out io.Writer) {
	for _, c := range p.contenders {
		fmt.Fprintf(out, "  %-16s %8.0f/s  CPU %6.1f µs  p99 %6.2f ms  %4d MiB (clients: %.1f µs)\n",
			c.name, c.rate, c.cpu*1e6, c.p99*1e3, c.resident>>20, c.client*1e6)
	}
	for _, s := range p.sizes {
		fmt.Fprintf(out, "  %-16s started in %v, then %v of CPU, %d MiB\n", s.name, s.startup, s.cpu, s.resident>>20)
	}
	for _, f := range p.figures {
		fmt.Fprintf(out, "  %s; must be %s: %s\n", f.words(), f.bound, f.verdict())
	}
	if p.left != "" {
		fmt.Fprintf(out, "  left out: %s\n", p.left)
	}
}

// missed names each figure that misses its bound.
func (r report) missed() (err error) {
	for _, p := range r {
		for _, f := range p.figures {
			if f.verdict() == missed {
				err = errors.Join(err, fmt.Errorf("%s: %s, must be %s", p.row, f.words(), f.bound))
			}
		}
	}
	return err
}
