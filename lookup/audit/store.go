package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/internal/openbolt"
)

// A Store holds one log: its records by their sequence, and a state. All bytes are
// the log's; a store does not look into them. A store has one writer.
//
// The one here is [OpenBolt]'s.
type Store interface {
	// Load returns the state, nil for a new log.
	Load() ([]byte, error)
	// Append adds records, the first of which has the given sequence, and replaces the
	// state: durably, and all of it or nothing. There may be no records.
	Append(first uint64, records [][]byte, state []byte) error
	// Prune deletes the records up to a sequence, it included, and replaces the state, likewise.
	Prune(last uint64, state []byte) error
	// View calls fn with a state and the records from a sequence on, all of one moment,
	// in order. What fn is given is good until it returns; it must not change the store.
	View(from uint64, fn func(state []byte, records iter.Seq2[uint64, []byte]) error) error
	Close() error
}

// Errors of a log, for callers to test for.
var (
	// ErrDamaged: the file can't be read as what it should be. It is left as it is.
	ErrDamaged = errors.New("audit log is damaged")
	// ErrInUse: another process has the file open.
	ErrInUse = openbolt.ErrInUse
	// ErrWrongKeys: the log was begun with other keys.
	ErrWrongKeys = errors.New("the keys are not those the audit log was begun with")
	// ErrPruned: what was asked for is older than what is kept.
	ErrPruned = errors.New("entries of that age are no longer kept")
	// ErrClosed: the log was closed.
	ErrClosed = errors.New("audit log is closed")
	// ErrFailed: a write failed in a way that leaves open what the disk holds; nothing
	// is written until the log is opened anew.
	ErrFailed = errors.New("audit log must be opened anew after a failed write")
)

// The file's buckets: one entry of state, and the records by big-endian sequence.
var (
	stateBucket  = []byte("state")
	recordBucket = []byte("records")
	stateKey     = []byte("log")
)

type boltStore struct {
	file *openbolt.File
	path string
}

// OpenBolt opens the bbolt file at path, made with mode 0600 if there is none. A
// damaged file is refused with what to do and never overwritten.
func OpenBolt(path string) (Store, error) {
	file, err := openbolt.Open(path, func(tx *bbolt.Tx) error {
		_, err1 := tx.CreateBucket(stateBucket)
		_, err2 := tx.CreateBucket(recordBucket)
		return errors.Join(err1, err2)
	})
	return newBoltStore(path, file, err)
}

// OpenBoltReadOnly opens an existing file for [Verify], which must not be in use by a running edge.
func OpenBoltReadOnly(path string) (Store, error) {
	file, err := openbolt.OpenReadOnly(path)
	return newBoltStore(path, file, err)
}

func newBoltStore(path string, file *openbolt.File, err error) (Store, error) {
	s := &boltStore{file: file, path: path}
	if err == nil {
		err = s.view(func(_, _ *bbolt.Bucket) error { return nil }) // are there both buckets?
		if err != nil {
			file.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", s.explain(err))
	}
	return s, nil
}

// explain says what to do about a file that can't be used.
func (s *boltStore) explain(err error) error {
	switch {
	case errors.Is(err, openbolt.ErrInUse):
		return fmt.Errorf("%w: %s", ErrInUse, s.path)
	case errors.Is(err, openbolt.ErrDamaged), errors.Is(err, ErrDamaged):
		return fmt.Errorf("%w: %w; it was left as it is: restore %s from a backup, or move it away to begin a new log"+
			" (anyone who follows the checkpoints will see that)", ErrDamaged, err, s.path)
	}
	return err
}

func (s *boltStore) view(fn func(state, records *bbolt.Bucket) error) error {
	return s.file.View(inBuckets(fn))
}

func (s *boltStore) update(fn func(state, records *bbolt.Bucket) error) error {
	return s.file.Update(inBuckets(fn))
}

func inBuckets(fn func(state, records *bbolt.Bucket) error) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		state, records := tx.Bucket(stateBucket), tx.Bucket(recordBucket)
		if state == nil || records == nil {
			return fmt.Errorf("%w: not an audit log's file", ErrDamaged)
		}
		return fn(state, records)
	}
}

func (s *boltStore) Load() (state []byte, err error) {
	err = s.view(func(b, _ *bbolt.Bucket) error {
		state = append(state, b.Get(stateKey)...)
		return nil
	})
	return state, err
}

func (s *boltStore) Append(first uint64, records [][]byte, state []byte) error {
	return s.update(func(b, r *bbolt.Bucket) error {
		r.FillPercent = 1 // nothing is ever put between two records
		for i, data := range records {
			if err := r.Put(sequenceKey(first+uint64(i)), data); err != nil {
				return err
			}
		}
		return b.Put(stateKey, state)
	})
}

func (s *boltStore) Prune(last uint64, state []byte) error {
	return s.update(func(b, r *bbolt.Bucket) error {
		cursor := r.Cursor()
		for k, _ := cursor.First(); len(k) == 8 && binary.BigEndian.Uint64(k) <= last; k, _ = cursor.First() {
			if err := cursor.Delete(); err != nil {
				return err
			}
		}
		return b.Put(stateKey, state)
	})
}

func (s *boltStore) View(from uint64, fn func([]byte, iter.Seq2[uint64, []byte]) error) error {
	err := s.view(func(b, r *bbolt.Bucket) error {
		odd := false
		err := fn(b.Get(stateKey), func(yield func(uint64, []byte) bool) {
			cursor := r.Cursor()
			for k, v := cursor.Seek(sequenceKey(from)); k != nil; k, v = cursor.Next() {
				if odd = len(k) != 8; odd || !yield(binary.BigEndian.Uint64(k), v) {
					return
				}
			}
		})
		if odd {
			return fmt.Errorf("%w: it has a key that is no entry's", ErrDamaged)
		}
		return err
	})
	if errors.Is(err, openbolt.ErrDamaged) {
		return s.explain(err)
	}
	return err
}

func (s *boltStore) Close() error { return s.file.Close() }

func sequenceKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
