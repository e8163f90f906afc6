// Package boltgrants keeps readers' grants in a bbolt file, for a single node.
//
// # Layout
//
//	grants: owner (32 bytes) -> expiry | the grants as [exempt.Grants.AppendBinary] writes them
//	expiry: expiry | owner -> nothing
//
// An expiry is Unix time in seconds (8 bytes, big-endian). The sequence of the bucket
// "grants" is the number of owners. An owner is a keyed hash, so the file tells
// nobody's address.
package boltgrants

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/masking/audit/boltfile"
)

var (
	grantsBucket = []byte("grants")
	expiryBucket = []byte("expiry")
)

// errRecord is no boltfile.ErrDamaged, which would end the use of the whole file.
var errRecord = errors.New("reading the exemptions: a record is not of its form")

const (
	expirySize = 8
	// swept is how many expired owners an update deletes: more than it adds, so that they end.
	swept = 16
)

// Store is an open file. It is safe for concurrent use.
type Store struct {
	file *boltfile.File
	max  uint64
}

// Open opens the file at path and makes it if there is none. It holds at most max
// owners, about 1 KB each at most.
//
// Errors: as [boltfile.Open].
func Open(path string, max int) (*Store, error) {
	file, err := boltfile.Open(path, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(grantsBucket)
		_, err2 := tx.CreateBucket(expiryBucket)
		return errors.Join(err, err2)
	})
	if err != nil {
		return nil, fmt.Errorf("opening the exemptions: %w", err)
	}
	err = file.View(func(tx *bbolt.Tx) error {
		if tx.Bucket(grantsBucket) == nil || tx.Bucket(expiryBucket) == nil {
			return errors.New("it is another kind of file")
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the exemptions: %w", err), file.Close())
	}
	return &Store{file, uint64(max)}, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.file.Close() }

// Load implements [exempt.Store].
func (s *Store) Load(_ context.Context, owner exempt.Owner) (g exempt.Grants, err error) {
	err = s.file.View(func(tx *bbolt.Tx) error {
		g, err = decode(tx.Bucket(grantsBucket).Get(owner[:]))
		return err
	})
	return g, err
}

// Update implements [exempt.Store].
func (s *Store) Update(_ context.Context, owner exempt.Owner, change func(exempt.Grants) (exempt.Grants, error)) error {
	return s.file.Update(func(tx *bbolt.Tx) error {
		u := update{tx.Bucket(grantsBucket), tx.Bucket(expiryBucket)}
		if err := u.sweep(time.Now()); err != nil {
			return err
		}
		old, err := decode(u.grants.Get(owner[:]))
		if err != nil {
			return err
		}
		next, err := change(old)
		if err != nil {
			return err
		}
		if err := u.remove(owner[:]); err != nil || next.Len() == 0 {
			return err
		}
		if u.grants.Sequence() >= s.max {
			return exempt.ErrFull
		}
		return u.put(owner[:], next)
	})
}

// decode returns no grants for a value that is missing or has expired.
func decode(value []byte) (g exempt.Grants, err error) {
	if value == nil {
		return g, nil
	}
	if len(value) < expirySize {
		return g, errRecord
	}
	if expires := int64(binary.BigEndian.Uint64(value)); time.Now().Unix() >= expires {
		return g, nil
	}
	if err := g.UnmarshalBinary(value[expirySize:]); err != nil {
		return g, fmt.Errorf("%w: %w", errRecord, err)
	}
	return g, nil
}

// update is one transaction.
type update struct{ grants, expiry *bbolt.Bucket }

func (u update) put(owner []byte, g exempt.Grants) error {
	expires := binary.BigEndian.AppendUint64(nil, uint64(g.Expires().Unix()))
	value, err := g.AppendBinary(bytes.Clone(expires))
	if err != nil {
		return err
	}
	if err := u.grants.Put(owner, value); err != nil {
		return err
	}
	if err := u.expiry.Put(append(expires, owner...), nil); err != nil {
		return err
	}
	return u.grants.SetSequence(u.grants.Sequence() + 1)
}

func (u update) remove(owner []byte) error {
	value := u.grants.Get(owner)
	if value == nil {
		return nil
	}
	if len(value) < expirySize {
		return errRecord
	}
	key := append(bytes.Clone(value[:expirySize]), owner...)
	if err := errors.Join(u.expiry.Delete(key), u.grants.Delete(owner)); err != nil {
		return err
	}
	return u.grants.SetSequence(u.grants.Sequence() - 1)
}

// sweep deletes some of those whose grants have all expired.
func (u update) sweep(now time.Time) error {
	end := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()))
	for range swept {
		// A cursor anew each time: deleting moves it.
		key, _ := u.expiry.Cursor().First()
		if key == nil || bytes.Compare(key[:min(len(key), expirySize)], end) > 0 {
			return nil
		}
		if len(key) != expirySize+len(exempt.Owner{}) {
			return errRecord
		}
		if err := u.remove(bytes.Clone(key[expirySize:])); err != nil {
			return err
		}
	}
	return nil
}

// Interface guard
var _ exempt.Store = (*Store)(nil)
