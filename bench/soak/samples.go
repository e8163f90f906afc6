package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// sample is what the edge holds while it has nothing to do.
type sample struct{ goroutines, descriptors, heap float64 }

// resource is one of what is sampled. What is less than floor isn't growth.
type resource struct {
	name  string
	unit  float64 // for people
	floor float64
	of    func(sample) float64
}

var resources = []resource{
	{"goroutines", 1, 10, func(s sample) float64 { return s.goroutines }},
	{"descriptors", 1, 8, func(s sample) float64 { return s.descriptors }},
	{"MiB of heap", 1 << 20, 3 << 20, func(s sample) float64 { return s.heap }},
}

// sample has the load pause, reads what the edge holds, and looks through what it wrote.
func (s *soak) sample(ctx context.Context, at time.Duration) error {
	s.idle.Lock()
	defer s.idle.Unlock()
	for _, c := range s.clients {
		c.http.CloseIdleConnections()
	}
	s.wiki.closeIdle()
	s.tool.closeIdle()
	now, err := s.settled(ctx)
	if err != nil {
		return err
	}
	s.samples = append(s.samples, now)
	fmt.Fprintf(s.out, "%7s ", at.Round(time.Second))
	for _, r := range resources {
		fmt.Fprintf(s.out, " %6.1f %s", r.of(now)/r.unit, r.name)
	}
	fmt.Fprintln(s.out)
	return s.lookThrough(ctx)
}

// settled reads until nothing becomes less any more: configs that were replaced end within their grace.
func (s *soak) settled(ctx context.Context) (least sample, err error) {
	for same, first := 0, true; same < 4; first = false {
		now, err := s.read(ctx)
		if err != nil {
			return least, err
		}
		if !first && now.goroutines >= least.goroutines && now.descriptors >= least.descriptors {
			same++
			least.heap = min(least.heap, now.heap)
		} else {
			same, least = 0, now
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return least, ctx.Err()
		}
	}
	return least, nil
}

var (
	goroutineTotal = regexp.MustCompile(`^goroutine profile: total (\d+)`)
	heapAlloc      = regexp.MustCompile(`(?m)^# HeapAlloc = (\d+)`)
)

func (s *soak) read(ctx context.Context) (now sample, err error) {
	if now.heap, err = s.profile(ctx, "heap?gc=1&debug=1", heapAlloc); err != nil {
		return now, err
	}
	if now.goroutines, err = s.profile(ctx, "goroutine?debug=1", goroutineTotal); err != nil {
		return now, err
	}
	open, err := s.edge.Descriptors()
	if err != nil {
		return now, err
	}
	// Each rotation begins a file of records, which stays open until its retention ends.
	records, err := filepath.Glob(filepath.Join(s.edge.Dir, "data", "sightings", "*.sightings"))
	now.descriptors = float64(open - len(records))
	return now, err
}

func (s *soak) profile(ctx context.Context, name string, number *regexp.Regexp) (float64, error) {
	_, text, err := s.edge.get(ctx, "/debug/pprof/"+name)
	if err != nil {
		return 0, err
	}
	found := number.FindStringSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("%s has no such line as %s", name, number)
	}
	return strconv.ParseFloat(found[1], 64)
}

// fewestSamples are those that leave three for each half.
const fewestSamples = 8

// judge compares the second half of what was sampled with the first, without the quarter in which the edge warmed up.
func (s *soak) judge() {
	warm := s.samples[len(s.samples)/4:]
	if len(s.samples) < fewestSamples {
		s.fail("%d samples are too few to tell growth from noise", len(s.samples))
		return
	}
	for _, r := range resources {
		var values []float64
		for _, one := range warm {
			values = append(values, r.of(one))
		}
		if before, after, bound := r.growth(values); after > bound {
			s.fail("%.1f %s became %.1f, more than the %.1f that noise explains", before/r.unit, r.name, after/r.unit, bound/r.unit)
		}
	}
}

// growth returns the medians of both halves, and up to what the second doesn't count as growth: thrice what values lie
// apart from those next to them, which a trend changes little, or the floor.
func (r resource) growth(values []float64) (before, after, bound float64) {
	var apart []float64
	for i, v := range values[1:] {
		apart = append(apart, math.Abs(v-values[i]))
	}
	before, after = median(values[:len(values)/2]), median(values[len(values)/2:])
	return before, after, before + max(r.floor, 3*median(apart))
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
