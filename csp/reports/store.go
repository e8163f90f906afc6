package reports

import (
	"context"
	"errors"

	"github.com/wikiveil/wikiveil/internal/openbolt"
)

// Errors of stores, for callers to test for.
var (
	ErrInUse       = openbolt.ErrInUse
	ErrUnavailable = errors.New("the reports' store can't be reached")
)

// DefaultKeep is how many days stores keep.
const DefaultKeep = 90

// A Store keeps one value for each day, named as in "2026-11-22". A [Collector] makes
// the values; a store does not look into them. It is safe for concurrent use.
type Store interface {
	// Load returns the values of the days from first to last that have one.
	//
	// Errors: [ErrDamaged], [ErrUnavailable].
	Load(ctx context.Context, first, last string) (map[string][]byte, error)
	// Update replaces a day's value by what change makes of the present one, which is
	// nil if there is none and must not be kept or changed. Nobody else, on any node,
	// changes it meanwhile; for that, change may be called more than once. Where change
	// returns an error, that is returned and the value stays; so it does where it
	// returns nil. What was written is there after a crash.
	//
	// Errors: those of change, [ErrDamaged], [ErrUnavailable].
	Update(ctx context.Context, day string, change func(old []byte) ([]byte, error)) error
	// Close lets go of the store.
	Close() error
}

// A Keeper is a store that can be told anew how many days to keep, as those of
// [OpenBolt] and [NewRedis] can: it counts for days that begin afterwards (bbolt) or
// are written to (Redis). 0 means [DefaultKeep].
type Keeper interface{ SetKeep(days int) }
