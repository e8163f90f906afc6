package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wikiveil/wikiveil/internal/followed"
	"github.com/wikiveil/wikiveil/internal/shareddoc"
	"github.com/wikiveil/wikiveil/internal/text"
)

// Key is the storage key the shares are kept under.
const Key = "wikiveil/csp_rollout.json"

// Limits of a book.
const (
	MaxSites = 1000
	MaxSteps = 200 // of each site; older ones are forgotten
	MaxText  = 255 // bytes of a site's name, and of the name of whoever changed it
)

// ByConfig is who made a step that a configuration brought.
const ByConfig = "config"

// Errors of a book, for callers to test for.
var (
	ErrText = errors.New("a site's name and who changes it are 1 to 255 bytes of printable text")
	ErrFull = fmt.Errorf("the rollout has %d sites already", MaxSites)
)

// A Site is how far a policy is rolled out.
type Site struct {
	// Override is the share that was set, which outweighs the configured one; nil is none.
	Override *Share `json:"override,omitempty"`
	// Steps are the changes, the oldest first.
	Steps []Step `json:"steps,omitempty"`
}

// A Step is a change.
type Step struct {
	// Time is when, to the second.
	Time time.Time `json:"time"`
	// Share is that from then on.
	Share Share `json:"share"`
	// By is who changed it, or [ByConfig].
	By string `json:"by"`
}

// A Book is the shares of sites, which several nodes may share. It is safe for
// concurrent use.
type Book struct {
	doc *shareddoc.Doc[map[string]Site]
}

var form = shareddoc.JSON[map[string]Site](nil)

// Open reads the book. One that is not there yet is empty.
//
// The error is [shareddoc.ErrDamaged] for one that is not of its form, or the storage's.
func Open(ctx context.Context, storage shareddoc.Storage) (*Book, error) {
	b := &Book{shareddoc.New(storage, Key, form)}
	return b, b.Refresh(ctx)
}

// Share returns the share that holds for a site now: the one that was set, else the
// configured one.
func (b *Book) Share(site string, configured Share) Share {
	if set := b.doc.Get()[site].Override; set != nil {
		return *set
	}
	return configured
}

// Site returns what is kept of a site.
func (b *Book) Site(name string) Site {
	s := b.doc.Get()[name]
	s.Steps = slices.Clone(s.Steps)
	return s
}

// Set has a share hold for a site from now on, whatever is configured.
//
// Errors: [ErrText], [ErrFull], [shareddoc.ErrDamaged], [shareddoc.ErrVanished], the storage's.
func (b *Book) Set(ctx context.Context, site string, share Share, by string) error {
	return b.change(ctx, site, by, func(s *Site) { s.set(&share, share, by) })
}

// Reset has the configured share hold again. Errors are those of [Book.Set].
func (b *Book) Reset(ctx context.Context, site string, configured Share, by string) error {
	return b.change(ctx, site, by, func(s *Site) { s.set(nil, configured, by) })
}

// Note keeps the step that a new configuration is, if it is one. Errors are those of
// [Book.Set].
func (b *Book) Note(ctx context.Context, site string, configured Share) error {
	s := b.doc.Get()[site]
	if s.Override != nil || len(s.Steps) > 0 && s.Steps[len(s.Steps)-1].Share == configured {
		return nil // the usual case takes no lock
	}
	return b.change(ctx, site, ByConfig, func(s *Site) {
		if s.Override == nil {
			s.set(nil, configured, ByConfig)
		}
	})
}

func (s *Site) set(override *Share, share Share, by string) {
	s.Override = override
	if n := len(s.Steps); n > 0 && s.Steps[n-1].Share == share {
		return
	}
	s.Steps = append(s.Steps, Step{time.Now().UTC().Truncate(time.Second), share, by})
	s.Steps = s.Steps[max(0, len(s.Steps)-MaxSteps):]
}

// change changes a site.
func (b *Book) change(ctx context.Context, site, by string, change func(*Site)) error {
	if site == "" || by == "" || !text.Printable(site, MaxText) || !text.Printable(by, MaxText) {
		return ErrText
	}
	err := b.doc.Update(ctx, func(sites map[string]Site) (map[string]Site, error) {
		if sites = maps.Clone(sites); sites == nil {
			sites = make(map[string]Site)
		}
		s := sites[site]
		s.Steps = slices.Clone(s.Steps)
		change(&s)
		sites[site] = s
		if len(sites) > MaxSites {
			return nil, ErrFull
		}
		return sites, nil
	})
	if err != nil {
		return fmt.Errorf("changing the rollout: %w", err)
	}
	return nil
}

// DefaultPoll is how often other nodes' changes are looked for unless configured: a
// rollback is urgent.
const DefaultPoll = 3 * time.Second

// Refresh reads what other nodes have changed. Where it fails, all stays as it is.
func (b *Book) Refresh(ctx context.Context) error {
	if err := b.doc.Read(ctx); err != nil {
		return fmt.Errorf("reading the rollout: %w", err)
	}
	return nil
}

// Follow polls the storage for changes of other nodes, every DefaultPoll if every is 0.
// It returns when ctx ends. The first of several errors on end is reported; report may be nil.
func (b *Book) Follow(ctx context.Context, every time.Duration, report func(error)) {
	followed.Every(ctx, cmp.Or(every, DefaultPoll), b.Refresh, report)
}
