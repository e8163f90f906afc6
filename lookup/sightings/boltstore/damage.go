package boltstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/wikiveil/wikiveil/internal/openbolt"
	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// guard has what bbolt does with damaged pages be an error.
func guard(f func() error) error {
	err := openbolt.Guard(f)
	if errors.Is(err, openbolt.ErrDamaged) {
		err = fmt.Errorf("%w: %w", sightings.ErrDamaged, err)
	}
	return err
}

// refusal says what to do about a file that can't be used.
func refusal(path string, err error) error {
	switch {
	case errors.Is(err, sightings.ErrDamaged):
		return fmt.Errorf("%s: %w; it was not changed: restore it from a backup, or move it away"+
			" to go on without that day's records", path, err)
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%w: %s; one process at a time can have the store", ErrInUse, path)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w; the store's files must be readable and writable by the edge's user", err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// walk reads everything in a file: every page of the trees, every segment's checksum, and
// that every run leads to where it should.
func walk(tx *bolt.Tx) error {
	log, runs := tx.Bucket(bucketLog), tx.Bucket(bucketRuns)
	var before uint64 // sequence numbers start at 1
	err := log.ForEach(func(key, segment []byte) error {
		if len(key) != 8 || binary.BigEndian.Uint64(key) <= before {
			return fmt.Errorf("%w: its log is out of order", sightings.ErrDamaged)
		}
		before = binary.BigEndian.Uint64(key)
		_, err := unpackSegment(before, segment)
		return err
	})
	if err != nil {
		return err
	}
	return runs.ForEach(func(key, _ []byte) error {
		rows, err := unpackRun(table(runs, key))
		if err != nil {
			return err
		}
		for _, r := range rows {
			key, _, err := entryAt(log.Get(seqKey(r.seq)), r.offset)
			if err != nil {
				return err
			}
			if key != r.key {
				return fmt.Errorf("%w: a run leads to another key", sightings.ErrDamaged)
			}
		}
		return nil
	})
}
