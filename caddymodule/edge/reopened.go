package edge

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/wikiveil/wikiveil/internal/health"
	"github.com/wikiveil/wikiveil/internal/openbolt"
	"github.com/wikiveil/wikiveil/internal/reopen"
	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// openFile opens a store of the data_dir. One that can't be opened is down, and what needs it responds 503. It is an error
// only if another process has it open.
func openFile[T io.Closer](name, effect string, open func() (T, error)) (*reopen.Store[T], *health.Part, error) {
	part := health.Watch(name, effect, Slog())
	store, err := reopen.Open(reopen.Config[T]{
		Open: open, Health: part,
		Fatal:  func(err error) bool { return errors.Is(err, openbolt.ErrInUse) },
		Broken: func(err error) bool { return errors.Is(err, openbolt.ErrDamaged) },
	})
	return store, part, err
}

// fileSightings are the records in files.
type fileSightings struct {
	*reopen.Store[sightings.Store]
	part *health.Part
}

func openFileSightings(open func() (sightings.Store, error)) (sightings.Store, error) {
	store, part, err := openFile("sightings", "requests that can publish and look-ups get 503; reading goes on", open)
	if err != nil {
		return nil, err
	}
	return fileSightings{store, part}, nil
}

func (s fileSightings) use(do func(sightings.Store) error) error {
	var result error
	if err := s.Use(func(store sightings.Store) error { result = do(store); return result }); err != nil && result == nil {
		return fmt.Errorf("%w: %w", sightings.ErrUnavailable, err)
	}
	return result
}

// Append implements [sightings.Store].
func (s fileSightings) Append(ctx context.Context, entries []sightings.Entry) error {
	err := s.use(func(store sightings.Store) error { return store.Append(ctx, entries) })
	s.part.Set(err)
	return err
}

// Find implements [sightings.Store].
func (s fileSightings) Find(ctx context.Context, refs []sightings.Ref) (found []sightings.Entry, err error) {
	err = s.use(func(store sightings.Store) error {
		found, err = store.Find(ctx, refs)
		return err
	})
	return found, err
}

// Parts implements [sightings.Store].
func (s fileSightings) Parts(ctx context.Context) (parts []sightings.Part, err error) {
	err = s.use(func(store sightings.Store) error {
		parts, err = store.Parts(ctx)
		return err
	})
	return parts, err
}

// Drop implements [sightings.Store].
func (s fileSightings) Drop(ctx context.Context, part sightings.Part) error {
	return s.use(func(store sightings.Store) error { return store.Drop(ctx, part) })
}

// Incarnation implements [sightings.Store]. While the store is down it is 0: nobody's record counts as stored.
func (s fileSightings) Incarnation() (n uint64) {
	s.Use(func(store sightings.Store) error { n = store.Incarnation() + 1; return nil })
	return n
}

// Interface guard
var _ sightings.Store = fileSightings{}
