package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/internal/health"
	"github.com/wikiveil/wikiveil/internal/openbolt"
	"github.com/wikiveil/wikiveil/internal/reopen"
	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/audit/boltfile"
	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// openFile opens a store of the data_dir. One that can't be opened is down, and what needs it answers 503; only that
// another process has it is an error.
func openFile[T io.Closer](name, effect string, open func() (T, error)) (*reopen.Store[T], *health.Part, error) {
	part := health.Watch(name, effect, pooledLogger())
	store, err := reopen.Open(reopen.Config[T]{
		Open: open, Health: part,
		Fatal:  func(err error) bool { return errors.Is(err, openbolt.ErrInUse) },
		Broken: func(err error) bool { return errors.Is(err, boltfile.ErrDamaged) },
	})
	return store, part, err
}

// fileCounts are the quotas in a file.
type fileCounts struct{ *reopen.Store[access.Counts] }

func openFileCounts(path string) (access.Counts, error) {
	store, _, err := openFile("quotas", "look-ups and reveals get 503", func() (access.Counts, error) { return access.OpenBolt(path) })
	if err != nil {
		return nil, err
	}
	return fileCounts{store}, nil
}

// Take implements [access.Counts].
func (c fileCounts) Take(ctx context.Context, day, key string, n, limit int) (count int, ok bool, err error) {
	err = c.Use(func(counts access.Counts) error {
		count, ok, err = counts.Take(ctx, day, key, n, limit)
		return err
	})
	return count, ok, err
}

// fileReports are a site's reports in a file.
type fileReports struct {
	*reopen.Store[reports.Store]
	keep *atomic.Int64
}

func openFileReports(name, path string, keep int, passed func() time.Time) (reports.Store, error) {
	days := new(atomic.Int64)
	days.Store(int64(keep))
	store, _, err := openFile("csp-reports/"+name, "reports of this site are counted in memory; forecasts and the rollout's plot get 503", func() (reports.Store, error) {
		return reports.OpenBolt(path, int(days.Load()), passed)
	})
	if err != nil {
		return nil, err
	}
	return fileReports{store, days}, nil
}

// use is Use with the error that a collector counts on in memory after.
func (s fileReports) use(do func(reports.Store) error) error {
	var result error
	if err := s.Use(func(store reports.Store) error { result = do(store); return result }); err != nil && result == nil {
		return fmt.Errorf("%w: %v", reports.ErrUnavailable, err) // not %w: that it is damaged is told already
	}
	return result
}

// Load implements [reports.Store].
func (s fileReports) Load(ctx context.Context, first, last string) (days map[string][]byte, err error) {
	err = s.use(func(store reports.Store) error {
		days, err = store.Load(ctx, first, last)
		return err
	})
	return days, err
}

// Update implements [reports.Store].
func (s fileReports) Update(ctx context.Context, day string, change func([]byte) ([]byte, error)) error {
	return s.use(func(store reports.Store) error { return store.Update(ctx, day, change) })
}

// SetKeep implements [reports.Keeper].
func (s fileReports) SetKeep(days int) {
	s.keep.Store(int64(days))
	s.Use(func(store reports.Store) error {
		store.(reports.Keeper).SetKeep(days)
		return nil
	})
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

// Interface guards
var (
	_ access.Counts   = fileCounts{}
	_ reports.Store   = fileReports{}
	_ reports.Keeper  = fileReports{}
	_ sightings.Store = fileSightings{}
)
