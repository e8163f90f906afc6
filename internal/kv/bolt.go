package kv

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/internal/openbolt"
)

// ErrInUse: another process has the file.
var ErrInUse = openbolt.ErrInUse

// dropEvery is how seldom a file is looked through for what has ended.
const dropEvery = time.Hour

// entriesBucket holds what is kept: under each key when it ends (Unix time in milliseconds, u64), the CRC-32C of key,
// end and what follows, and a value or a count (u64). All numbers are big-endian.
var entriesBucket = []byte("kv 1")

// beganKey is that of an entry without a value or an end whose count is when the file was made, Unix time in
// milliseconds.
const beganKey = "\x00began"

const entryHead = 8 + crc32.Size

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type bolt struct {
	file    *openbolt.File
	path    string
	passed  func() time.Time
	began   time.Time
	dropped time.Time // when what has ended was; only writing transactions use it
	litter  bool      // something was deleted since the file was compacted; likewise
}

// OpenBolt opens the file at path, made with mode 0600 if there is none. Keys end by the latest time that has passed for
// sure, as passed tells. A damaged file is refused with what to do, and never overwritten. What Update and Add
// write is on disk when they return.
//
// Errors: [ErrDamaged], [ErrInUse].
func OpenBolt(path string, passed func() time.Time) (Store, error) {
	s := &bolt{path: path, passed: passed}
	file, err := openbolt.Open(path, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket(entriesBucket)
		if err != nil {
			return err
		}
		return putEntry(b, beganKey, time.UnixMilli(0), count(int(time.Now().UnixMilli())))
	})
	if err != nil {
		return nil, s.explain(err)
	}
	s.file = file
	if err := s.view(s.inspect); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return s, nil
}

// inspect reads all, so that damage is told of at the start.
func (s *bolt) inspect(b *bbolt.Bucket) error {
	began, err := getEntry(b, beganKey, time.Time{})
	if err != nil {
		return err
	}
	if began == nil {
		return fmt.Errorf("%w: it does not say when it was made", ErrDamaged)
	}
	at, err := began.count()
	if err != nil {
		return err
	}
	s.began = time.UnixMilli(int64(at))
	return b.ForEach(func(key, value []byte) error {
		_, err := decodeEntry(key, value)
		return err
	})
}

func (s *bolt) explain(err error) error {
	if errors.Is(err, openbolt.ErrDamaged) || errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%w: %w; it was left as it is: restore %s from a backup, or move it away to begin anew", ErrDamaged, err, s.path)
	}
	return err
}

func (s *bolt) view(do func(*bbolt.Bucket) error) error {
	return s.explain(s.file.View(func(tx *bbolt.Tx) error { return with(tx, do) }))
}

// errUnchanged ends a transaction that writes nothing.
var errUnchanged = errors.New("nothing to write")

func (s *bolt) update(ctx context.Context, do func(*bbolt.Bucket) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.file.Update(func(tx *bbolt.Tx) error { return with(tx, do) })
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return s.explain(err)
}

func with(tx *bbolt.Tx, do func(*bbolt.Bucket) error) error {
	b := tx.Bucket(entriesBucket)
	if b == nil {
		return fmt.Errorf("%w: it is a file of something else", ErrDamaged)
	}
	return do(b)
}

// Get implements [Store].
func (s *bolt) Get(ctx context.Context, keys ...string) (map[string][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found, now := make(map[string][]byte), s.passed()
	err := s.view(func(b *bbolt.Bucket) error {
		for _, key := range keys {
			e, err := getEntry(b, key, now)
			if err != nil {
				return err
			}
			if e != nil {
				found[key] = bytes.Clone(e.body)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// Update implements [Store].
func (s *bolt) Update(ctx context.Context, key string, expires time.Time, change func([]byte) ([]byte, error)) error {
	now := s.passed()
	return s.update(ctx, func(b *bbolt.Bucket) error {
		e, err := getEntry(b, key, now)
		if err != nil {
			return err
		}
		var old []byte
		if e != nil {
			old = e.body
		}
		value, err := change(old)
		if err != nil {
			return err
		}
		if value == nil {
			return errUnchanged
		}
		return errors.Join(s.drop(b, now), putEntry(b, key, expires, value))
	})
}

// Add implements [Store].
func (s *bolt) Add(ctx context.Context, n int, to ...Counter) (counts []int, place int, err error) {
	now := s.passed()
	counts, place = make([]int, len(to)), -1
	add := func(b *bbolt.Bucket) error {
		ends := make([]time.Time, len(to))
		for i, c := range to {
			if !c.Expires.After(now) || !c.Since.IsZero() && c.Since.Before(s.began) {
				return ErrForgot
			}
			e, err := getEntry(b, c.Key, now)
			if err != nil {
				return err
			}
			ends[i] = c.Expires
			if e != nil {
				ends[i] = e.expires
				if counts[i], err = e.count(); err != nil {
					return err
				}
			}
		}
		if place = over(n, counts, to); place >= 0 || n == 0 {
			return errUnchanged
		}
		for i, c := range to {
			counts[i] += n
			if err := putEntry(b, c.Key, ends[i], count(counts[i])); err != nil {
				return err
			}
		}
		return s.drop(b, now)
	}
	if err := s.update(ctx, add); err != nil {
		return nil, -1, err
	}
	return counts, place, nil
}

// Delete implements [Store].
func (s *bolt) Delete(ctx context.Context, keys ...string) error {
	return s.update(ctx, func(b *bbolt.Bucket) error {
		changed := false
		for _, key := range keys {
			changed = changed || b.Get([]byte(key)) != nil
			s.litter = true
			if err := b.Delete([]byte(key)); err != nil {
				return err
			}
		}
		if !changed {
			return errUnchanged
		}
		return nil
	})
}

// Sweep implements [Store]. The file is written anew where something was deleted.
func (s *bolt) Sweep(ctx context.Context) error {
	litter, now := false, s.passed()
	err := s.update(ctx, func(b *bbolt.Bucket) error {
		s.dropped = time.Time{}
		err := s.drop(b, now)
		litter, s.litter = s.litter, false
		return err
	})
	if err != nil || !litter {
		return err
	}
	return s.explain(s.file.Compact())
}

// Close implements [Store].
func (s *bolt) Close() error { return s.file.Close() }

// drop deletes what has ended, now and then.
func (s *bolt) drop(b *bbolt.Bucket, now time.Time) error {
	if now.Sub(s.dropped).Abs() < dropEvery {
		return nil
	}
	s.dropped = now
	var ended [][]byte // deleted later: that would move the cursor
	err := b.ForEach(func(key, value []byte) error {
		e, err := decodeEntry(key, value)
		if err == nil && string(key) != beganKey && !e.expires.After(now) {
			ended = append(ended, bytes.Clone(key))
		}
		return err
	})
	s.litter = s.litter || len(ended) > 0
	for _, key := range ended {
		err = errors.Join(err, b.Delete(key))
	}
	return err
}

// entry is what is kept under a key.
type entry struct {
	expires time.Time
	body    []byte
}

func count(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func (e *entry) count() (int, error) {
	if len(e.body) != 8 {
		return 0, fmt.Errorf("%w: a count is not of its form", ErrDamaged)
	}
	return int(binary.BigEndian.Uint64(e.body)), nil
}

// getEntry returns what is kept under a key, nil if nothing is.
func getEntry(b *bbolt.Bucket, key string, now time.Time) (*entry, error) {
	value := b.Get([]byte(key))
	if value == nil {
		return nil, nil
	}
	e, err := decodeEntry([]byte(key), value)
	if err != nil || !e.expires.After(now) {
		return nil, err
	}
	return e, nil
}

func putEntry(b *bbolt.Bucket, key string, expires time.Time, body []byte) error {
	return b.Put([]byte(key), encodeEntry(key, expires, body))
}

func encodeEntry(key string, expires time.Time, body []byte) []byte {
	end := binary.BigEndian.AppendUint64(nil, uint64(expires.UnixMilli()))
	data := binary.BigEndian.AppendUint32(bytes.Clone(end), sum([]byte(key), end, body))
	return append(data, body...)
}

func decodeEntry(key, data []byte) (*entry, error) {
	if len(data) < entryHead || binary.BigEndian.Uint32(data[8:]) != sum(key, data[:8], data[entryHead:]) {
		return nil, fmt.Errorf("%w: a value's checksum is wrong", ErrDamaged)
	}
	return &entry{time.UnixMilli(int64(binary.BigEndian.Uint64(data))), data[entryHead:]}, nil
}

func sum(parts ...[]byte) (crc uint32) {
	for _, part := range parts {
		crc = crc32.Update(crc, castagnoli, part)
	}
	return crc
}
