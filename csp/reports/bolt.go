package reports

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/lookup/audit/boltfile"
)

// boltDays holds each day's value under its name.
var boltDays = []byte("csp-reports")

type boltStore struct {
	file   *boltfile.File
	path   string
	keep   atomic.Int64
	passed func() time.Time
}

// OpenBolt opens the bbolt file at path, made with mode 0600 if there is none, for a
// single node. It keeps as many days as keep says, [DefaultKeep] if that is 0, until the latest
// time that has passed for sure, as passed tells; nil is the machine's clock. A damaged file is refused with what to do and never overwritten.
func OpenBolt(path string, keep int, passed func() time.Time) (Store, error) {
	if keep < 0 {
		return nil, errors.New("opening the reports: a number of days is negative")
	}
	if passed == nil {
		passed = time.Now
	}
	s := &boltStore{path: path, passed: passed}
	s.SetKeep(keep)
	var err error
	s.file, err = boltfile.Open(path, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(boltDays)
		return err
	})
	if err == nil {
		if err = s.file.View(s.inspect); err != nil {
			s.file.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the reports: %w", s.explain(err))
	}
	return s, nil
}

// inspect reads all days, so that a damaged one is told of at the start.
func (s *boltStore) inspect(tx *bbolt.Tx) error {
	b, err := bucket(tx)
	if err != nil {
		return err
	}
	return b.ForEach(func(name, value []byte) error {
		if _, err := time.Parse(time.DateOnly, string(name)); err != nil || value == nil {
			return fmt.Errorf("%w: it has a key that is no day", ErrDamaged)
		}
		_, err := decodeDay(value, math.MaxInt32, nil)
		return err
	})
}

func bucket(tx *bbolt.Tx) (*bbolt.Bucket, error) {
	if b := tx.Bucket(boltDays); b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("%w: not a file of reports", ErrDamaged)
}

func (s *boltStore) explain(err error) error {
	switch {
	case errors.Is(err, boltfile.ErrInUse):
		return fmt.Errorf("%w: %s", ErrInUse, s.path)
	case errors.Is(err, boltfile.ErrDamaged), errors.Is(err, ErrDamaged):
		return fmt.Errorf("%w: %w; it was left as it is: restore %s from a backup, or move it away to begin anew",
			ErrDamaged, err, s.path)
	}
	return err
}

// Load implements [Store].
func (s *boltStore) Load(ctx context.Context, first, last string) (map[string][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	days := make(map[string][]byte)
	err := s.file.View(func(tx *bbolt.Tx) error {
		b, err := bucket(tx)
		if err != nil {
			return err
		}
		cursor := b.Cursor()
		for k, v := cursor.Seek([]byte(first)); k != nil && string(k) <= last; k, v = cursor.Next() {
			days[string(k)] = bytes.Clone(v)
		}
		return nil
	})
	return days, s.explain(err)
}

// errUnchanged ends a transaction that writes nothing.
var errUnchanged = errors.New("nothing to write")

// Update implements [Store].
func (s *boltStore) Update(ctx context.Context, day string, change func([]byte) ([]byte, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.file.Update(func(tx *bbolt.Tx) error {
		b, err := bucket(tx)
		if err != nil {
			return err
		}
		old := b.Get([]byte(day))
		value, err := change(old)
		if err != nil {
			return err
		}
		if value == nil {
			return errUnchanged
		}
		if old == nil {
			if err := s.forget(b, day); err != nil {
				return err
			}
		}
		return b.Put([]byte(day), value)
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return s.explain(err)
}

// forget deletes the days that are too old beside a new one.
func (s *boltStore) forget(b *bbolt.Bucket, day string) error {
	date, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return err
	}
	// A new day far in the future comes of a wrong clock.
	if passed := s.passed().UTC(); passed.Before(date) {
		date = passed
	}
	first := []byte(date.AddDate(0, 0, 1-int(s.keep.Load())).Format(time.DateOnly))
	for k, _ := b.Cursor().First(); k != nil && bytes.Compare(k, first) < 0; k, _ = b.Cursor().First() {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// SetKeep implements [Keeper].
func (s *boltStore) SetKeep(days int) { s.keep.Store(int64(cmp.Or(days, DefaultKeep))) }

// Close implements [Store].
func (s *boltStore) Close() error { return s.file.Close() }

// Interface guards.
var (
	_ Store  = (*boltStore)(nil)
	_ Keeper = (*boltStore)(nil)
)
