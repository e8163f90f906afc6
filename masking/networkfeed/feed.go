// Package networkfeed keeps named networks as their lists say: files that others rewrite, and lists that are fetched on a
// schedule. A list that is empty, no list, cut or suddenly shrunken is refused, and the last good one stays in use, over restarts too.
//
//	set, err := networkfeed.Open(ctx, config) // reads, and writes nothing
//	set.Begin(ctx)                            // fetches what never was
//	go set.Follow(ctx)
//	networks := set.Networks()
package networkfeed

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/networklist"
)

// Defaults of a network.
const (
	DefaultRefresh  = time.Hour
	DefaultMinShare = 0.5
)

// Config says which networks there are.
type Config struct {
	Networks []Network
	// Storage is where the last good lists are kept.
	Storage shareddoc.Storage
	// Log is told of new and of refused lists.
	Log *slog.Logger
	// Most is how many ranges all lists have together. Default: [networklist.MaxRanges].
	Most int
	// Poll is how often files, and whether a fetch is due, are looked at. Default: 5 seconds.
	Poll time.Duration
}

// Network is one named network: its fixed ranges and what its lists say, together.
type Network struct {
	Name    string
	Fixed   []netip.Prefix
	Sources []Source
	// Refresh is how often lists are fetched; 0 means [DefaultRefresh].
	Refresh time.Duration
	// MinShare is what a new list must have of the ranges of the last good one, from 0 to 1.
	MinShare float64
}

// Source is where a list comes from.
type Source struct {
	// From is the path of a file, or an address of https; of http too where Loopback is set.
	From   string
	Format networklist.Format // empty: told by the content
	// Loopback has the list fetched from this machine, and from nowhere else.
	Loopback bool
}

// A Set is the networks as they are now. It is safe for concurrent use.
type Set struct {
	config  Config
	sources []*source

	building sync.Mutex // around what follows, and all lists in use
	current  atomic.Pointer[masking.Networks]

	counting sync.Mutex
	refused  map[Refused]uint64
}

// Refused is a network whose list was refused, and why: see Reason.
type Refused struct{ Network, Reason string }

// Open reads what was stored, and files. A file that is no good, and of which no good list is stored, is an error; a list that
// never was fetched isn't.
func Open(ctx context.Context, config Config) (*Set, error) {
	config.Poll, config.Most = cmp.Or(config.Poll, 5*time.Second), cmp.Or(config.Most, networklist.MaxRanges)
	s := &Set{config: config, refused: make(map[Refused]uint64)}
	for i, n := range config.Networks {
		for _, from := range n.Sources {
			src := newSource(s, i, from)
			s.sources = append(s.sources, src)
			if err := src.open(ctx); err != nil {
				return nil, fmt.Errorf("network %q: %w", n.Name, err)
			}
		}
	}
	s.building.Lock()
	defer s.building.Unlock()
	return s, s.build()
}

// Networks returns the networks as they are now: another value after each change.
func (s *Set) Networks() *masking.Networks { return s.current.Load() }

// Begin fetches the lists that nothing is known of yet. What can't be fetched is logged, and tried again by Follow.
func (s *Set) Begin(ctx context.Context) {
	var all sync.WaitGroup
	for _, src := range s.sources {
		if src.good.Load() == nil {
			all.Go(func() { _ = src.refresh(ctx) }) // what is wrong is logged
		}
	}
	all.Wait()
}

// Follow keeps up with all lists until ctx ends.
func (s *Set) Follow(ctx context.Context) {
	var all sync.WaitGroup
	for _, src := range s.sources {
		all.Go(func() { src.follow(ctx) })
	}
	all.Wait()
}

// build makes the networks of all lists in use.
func (s *Set) build() error {
	var names []string
	for _, n := range s.config.Networks {
		names = append(names, n.Name)
	}
	b, err := masking.BuildNetworks(names...)
	if err != nil {
		return err
	}
	for i, n := range s.config.Networks {
		for _, prefix := range n.Fixed {
			b.Add(i, prefix)
		}
	}
	total := 0
	for _, src := range s.sources {
		if good := src.good.Load(); good != nil {
			if total += good.Ranges; total > s.config.Most {
				return fmt.Errorf("all lists together: %w", networklist.ErrTooLong)
			}
			if err := good.each(func(p netip.Prefix) { b.Add(src.network, p) }); err != nil {
				return fmt.Errorf("network %q: the list that was stored: %w", names[src.network], err)
			}
		}
	}
	s.current.Store(b.Networks())
	return nil
}

// take has a new list be the one in use, if it is good enough beside the last one.
func (s *Set) take(src *source, list *snapshot) error {
	s.building.Lock()
	defer s.building.Unlock()
	before, total := src.good.Load(), list.Ranges
	for _, other := range s.sources {
		if good := other.good.Load(); good != nil && other != src {
			total += good.Ranges
		}
	}
	share := s.config.Networks[src.network].MinShare
	switch {
	case total > s.config.Most:
		return fmt.Errorf("with the other lists: %w", networklist.ErrTooLong)
	case before != nil && float64(list.Ranges) < share*float64(before.Ranges):
		return fmt.Errorf("%w: it has %d ranges, the last good one %d, and min_share is %g", errShrunken, list.Ranges, before.Ranges, share)
	}
	src.good.Store(list)
	if s.current.Load() == nil {
		return nil // Open builds once
	}
	return s.build()
}

// Status tells of one network.
type Status struct {
	Network string
	Lists   int           // configured ones
	Missing int           // of those, how many have never been read
	Ranges  int           // of the lists in use
	Age     time.Duration // since the oldest list in use was written, or was last fetched
}

// Status tells of all networks that have lists.
func (s *Set) Status() (all []Status) {
	for i, n := range s.config.Networks {
		status := Status{Network: n.Name, Lists: len(n.Sources)}
		for _, src := range s.sources {
			good := src.good.Load()
			switch {
			case src.network != i:
			case good == nil:
				status.Missing++
			default:
				status.Ranges += good.Ranges
				status.Age = max(status.Age, time.Since(*src.confirmed.Load()))
			}
		}
		if status.Lists > 0 {
			all = append(all, status)
		}
	}
	return all
}

// Refusals tells how often lists were refused.
func (s *Set) Refusals(tell func(Refused, uint64)) {
	s.counting.Lock()
	defer s.counting.Unlock()
	for what, n := range s.refused {
		tell(what, n)
	}
}
