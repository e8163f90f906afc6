package boltstore

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// append writes entries in one transaction.
func (f *file) append(entries []sightings.Entry) error {
	rows := make([]row, 0, len(entries))
	err := f.update(func(tx *bolt.Tx) error {
		log := tx.Bucket(bucketLog)
		log.FillPercent = 1 // the keys only grow
		for rest := entries; len(rest) > 0; {
			seq, err := log.NextSequence()
			if err != nil {
				return err
			}
			var now []sightings.Entry
			now, rest = cutSegment(rest)
			var segment []byte
			segment, rows = packSegment(seq, now, rows)
			if err := log.Put(seqKey(seq), segment); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	f.mu.Lock()
	for _, r := range rows {
		f.tail[r.key] = append(f.tail[r.key], r)
	}
	f.tailSize += len(rows)
	full := f.tailSize >= f.foldAt
	f.mu.Unlock()
	if full {
		f.fold()
	}
	return nil
}

// update runs a write transaction. A panic in it leaves the file for reading only.
func (f *file) update(change func(*bolt.Tx) error) error {
	f.mu.RLock()
	db, err := f.db, f.broken
	f.mu.RUnlock()
	if db == nil {
		return errFileClosed
	}
	if err != nil {
		return err
	}
	err = guard(func() error { return db.Update(change) })
	if errors.Is(err, sightings.ErrDamaged) {
		f.mu.Lock()
		f.broken = refusal(f.path, err)
		f.mu.Unlock()
	}
	return err
}

// fold gives the tail a table. A last table that is short is made anew with it. If that
// fails the tail stays, and the entries are safe in the log anyway.
func (f *file) fold() {
	f.mu.RLock()
	rows := slices.Concat(slices.Collect(maps.Values(f.tail))...)
	writable := f.writable
	f.mu.RUnlock()
	if len(rows) == 0 || !writable {
		return
	}
	covers := slices.MaxFunc(rows, func(a, b row) int { return cmp.Compare(a.seq, b.seq) }).seq
	err := f.update(func(tx *bolt.Tx) error {
		runs := tx.Bucket(bucketRuns)
		if last, _ := runs.Cursor().Last(); last != nil {
			if run := table(runs, last); len(run) < runLength*rowSize {
				old, err := unpackRun(run)
				if err != nil {
					return err
				}
				rows = append(rows, old...)
				if err := runs.DeleteBucket(last); err != nil {
					return err
				}
			}
		}
		slices.SortFunc(rows, compareRows)
		// A bucket of its own: beside others in a page it would be written again with them.
		run, err := runs.CreateBucket(seqKey(covers))
		if err != nil {
			return err
		}
		return run.Put(keyTable, packRun(rows))
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.foldAt = f.tailSize + runLength // not at every append
		return
	}
	f.tail, f.tailSize, f.foldAt = make(map[sightings.Key][]row), 0, runLength
}

// table returns the table of the run that covers the log up to a sequence number.
func table(runs *bolt.Bucket, covers []byte) []byte {
	if run := runs.Bucket(covers); run != nil {
		return run.Get(keyTable)
	}
	return nil
}

// loadTail reads the part of the log that no run covers.
func (f *file) loadTail() error {
	return f.db.View(func(tx *bolt.Tx) error {
		covered, _ := tx.Bucket(bucketRuns).Cursor().Last()
		log := tx.Bucket(bucketLog).Cursor()
		key, segment := log.First()
		if covered != nil {
			if key, _ = log.Seek(covered); string(key) != string(covered) {
				return fmt.Errorf("%w: a run covers what is not in the log", sightings.ErrDamaged)
			}
			key, segment = log.Next()
		}
		for ; key != nil; key, segment = log.Next() {
			rows, err := unpackSegment(binary.BigEndian.Uint64(key), segment)
			if err != nil {
				return err
			}
			for _, r := range rows {
				f.tail[r.key] = append(f.tail[r.key], r)
			}
			f.tailSize += len(rows)
		}
		return nil
	})
}

// find calls yield with copies of the values of the keys.
func (f *file) find(keys []sightings.Key, yield func(sightings.Key, []byte)) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.db == nil {
		return errFileClosed
	}
	return guard(func() error {
		return f.db.View(func(tx *bolt.Tx) error {
			log, runs := tx.Bucket(bucketLog), tx.Bucket(bucketRuns)
			var rows []row
			for _, key := range keys {
				rows = append(rows[:0], f.tail[key]...)
				c := runs.Cursor()
				for covers, _ := c.First(); covers != nil; covers, _ = c.Next() {
					rows = searchRun(rows, table(runs, covers), key)
				}
				slices.SortFunc(rows, compareRows)
				for _, r := range slices.Compact(rows) { // while it is folded a row is in both
					value, err := valueAt(log, r)
					if err != nil {
						return err
					}
					yield(key, slices.Clone(value))
				}
			}
			return nil
		})
	})
}

// valueAt returns the value that a row leads to.
func valueAt(log *bolt.Bucket, r row) ([]byte, error) {
	segment := log.Get(seqKey(r.seq))
	if err := checkSegment(segment); err != nil {
		return nil, err
	}
	key, value, err := entryAt(segment, r.offset)
	if err == nil && key != r.key {
		err = fmt.Errorf("%w: a run leads to another key", sightings.ErrDamaged)
	}
	return value, err
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }
