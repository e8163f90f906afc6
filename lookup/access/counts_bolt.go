package access

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/internal/openbolt"
	"github.com/wikiveil/wikiveil/lookup/audit/boltfile"
)

// keepDays is how long a day's counts are kept, so that a clock that goes backwards
// finds them again.
const keepDays = 7

// Errors of a file of counts, for callers to test for.
var (
	ErrDamaged = errors.New("file of the quotas is damaged")
	ErrInUse   = openbolt.ErrInUse
)

// daysBucket holds a bucket for each day, in it each key's count: u32, big-endian.
var daysBucket = []byte("days")

type boltCounts struct {
	file *boltfile.File
	path string
}

// OpenBolt opens the counts in the bbolt file at path, made with mode 0600 if there is
// none. A damaged file is refused with what to do and never overwritten.
func OpenBolt(path string) (Counts, error) {
	c := &boltCounts{path: path}
	var err error
	c.file, err = boltfile.Open(path, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(daysBucket)
		return err
	})
	if err == nil {
		if err = c.file.View(func(tx *bbolt.Tx) error { _, err := days(tx); return err }); err != nil {
			c.file.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the quotas: %w", c.explain(err))
	}
	return c, nil
}

func (c *boltCounts) explain(err error) error {
	switch {
	case errors.Is(err, boltfile.ErrInUse):
		return fmt.Errorf("%w: %s", ErrInUse, c.path)
	case errors.Is(err, boltfile.ErrDamaged), errors.Is(err, ErrDamaged):
		return fmt.Errorf("%w: %w; it was left as it is: restore %s from a backup, or delete it"+
			" (all users then have a fresh quota today)", ErrDamaged, err, c.path)
	}
	return err
}

func days(tx *bbolt.Tx) (*bbolt.Bucket, error) {
	if b := tx.Bucket(daysBucket); b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("%w: not a file of quotas", ErrDamaged)
}

// errOver ends a transaction that takes nothing.
var errOver = errors.New("over the limit")

// Take implements [Counts].
func (c *boltCounts) Take(ctx context.Context, day, key string, n, limit int) (count int, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	if n == 0 {
		err = c.file.View(func(tx *bbolt.Tx) error {
			count, err = read(tx, day, key)
			return err
		})
		return count, err == nil, c.explain(err)
	}
	err = c.file.Update(func(tx *bbolt.Tx) error {
		if count, err = read(tx, day, key); err != nil {
			return err
		}
		if n > limit-count {
			return errOver
		}
		count += n
		b, err := dayBucket(tx, day)
		if err != nil {
			return err
		}
		return b.Put([]byte(key), binary.BigEndian.AppendUint32(nil, uint32(count)))
	})
	if errors.Is(err, errOver) {
		return count, false, nil
	}
	return count, err == nil, c.explain(err)
}

func read(tx *bbolt.Tx, day, key string) (int, error) {
	all, err := days(tx)
	if err != nil {
		return 0, err
	}
	b := all.Bucket([]byte(day))
	if b == nil {
		return 0, nil
	}
	switch value := b.Get([]byte(key)); len(value) {
	case 0:
		return 0, nil
	case 4:
		return int(binary.BigEndian.Uint32(value)), nil
	}
	return 0, fmt.Errorf("%w: a count is not of its form", ErrDamaged)
}

// dayBucket returns the day's bucket. With a new one, those that are too old go.
func dayBucket(tx *bbolt.Tx, day string) (*bbolt.Bucket, error) {
	all, err := days(tx)
	if err != nil {
		return nil, err
	}
	if b := all.Bucket([]byte(day)); b != nil {
		return b, nil
	}
	date, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil, err
	}
	first := date.AddDate(0, 0, -keepDays).Format(time.DateOnly)
	var old [][]byte
	cursor := all.Cursor()
	for k, _ := cursor.First(); k != nil && string(k) < first; k, _ = cursor.Next() {
		old = append(old, bytes.Clone(k)) // deleted later: that would move the cursor
	}
	for _, k := range old {
		if err := all.DeleteBucket(k); err != nil {
			return nil, err
		}
	}
	return all.CreateBucket([]byte(day))
}

func (c *boltCounts) Close() error { return c.file.Close() }

// Interface guard.
var _ Counts = (*boltCounts)(nil)
