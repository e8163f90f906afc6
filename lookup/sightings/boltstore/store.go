// Package boltstore keeps sightings in files of one directory, by bbolt: the default store, for one edge.
//
// # Layout
//
// Each part (a day of an epoch) is a file of its own, such as 2026-11-22-0123456789ab.sightings:
// what the retention deletes is a whole file, whose room the disk gets back at once, and old files
// never change, so backups copy them once. In a file are three buckets:
//
//	meta  "format" = "wikiveil-sightings/1"
//	log   sequence number (8 bytes, big-endian) -> segment: some entries of one transaction
//	runs  last sequence number it covers (8 bytes) -> bucket with "table", the keys of log entries
//	      in order, each with where its entry is
//
// Keys are random: put one by one into a tree, each would touch a page of its own, which
// is five to ten times slower (BenchmarkAppend). So a transaction only appends segments to the log. Their keys are kept in
// memory until there are enough for a sorted table, which is appended in one piece too.
// A look-up searches the few tables of each file and the memory. After a crash the tail of the log that no table
// covers is read again; a file has at most [runLength] such entries and those of a transaction.
//
// # Damage
//
// [Open] checks every file's head and size, and walks through all of the newest day's, the ones that will be written. What
// it refuses it never writes to. A fault that shows later is an error too
// (sightings.ErrDamaged), never a crash: damaged pages make bbolt panic, and a disk that does
// not answer faults in the memory map; both are caught.
package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/wikiveil/wikiveil/internal/durable"
	"github.com/wikiveil/wikiveil/internal/openbolt"
	"github.com/wikiveil/wikiveil/lookup/sightings"
)

const fileSuffix = ".sightings"

// Store keeps entries in a directory.
type Store struct {
	dir string

	incarnation atomic.Uint64
	writing     sync.Mutex // one Append or Drop at a time

	mu    sync.RWMutex
	files map[sightings.Part]*file // nil after Close
}

// Open opens the store in a directory, which is made if it isn't there. One process at a time can have it.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir, files: make(map[sightings.Part]*file)}
	if err := s.open(); err != nil {
		s.Close()
		return nil, fmt.Errorf("opening the record store: %w", err)
	}
	return s, nil
}

func (s *Store) open() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var parts []sightings.Part
	for _, n := range names {
		if strings.Contains(n.Name(), fileSuffix+".") && strings.HasSuffix(n.Name(), openbolt.TempSuffix) { // left by a crash, nothing in it was acknowledged
			if err := os.Remove(filepath.Join(s.dir, n.Name())); err != nil {
				return err
			}
		}
		if name, ok := strings.CutSuffix(n.Name(), fileSuffix); ok {
			part, err := sightings.ParsePart(name)
			if err != nil {
				return fmt.Errorf("%s is not of this store: %w; move it elsewhere", filepath.Join(s.dir, n.Name()), err)
			}
			parts = append(parts, part)
		}
	}
	slices.SortFunc(parts, sightings.Part.Compare)
	for _, part := range parts {
		f, err := openFile(s.path(part))
		if err == nil && part.Day == parts[len(parts)-1].Day {
			err = f.prepareWrite()
		}
		if err != nil {
			if f != nil {
				f.close()
			}
			return err
		}
		s.files[part] = f
	}
	return nil
}

func (s *Store) path(part sightings.Part) string {
	return filepath.Join(s.dir, part.String()+fileSuffix)
}

// Append adds entries in one transaction for each part.
func (s *Store) Append(ctx context.Context, entries []sightings.Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	byPart := make(map[sightings.Part][]sightings.Entry, 1)
	for _, e := range entries {
		if len(e.Value) > sightings.MaxValue {
			return fmt.Errorf("a value of %d bytes is too long", len(e.Value))
		}
		byPart[e.Part] = append(byPart[e.Part], e)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	for part, of := range byPart {
		f, err := s.writable(part)
		if err != nil {
			return err
		}
		if err := f.append(of); err != nil {
			return fmt.Errorf("writing %s: %w", f.path, err)
		}
	}
	return nil
}

// writable returns a part's file, made if need be.
func (s *Store) writable(part sightings.Part) (*file, error) {
	f, err := s.file(part)
	if err != nil {
		return nil, err
	}
	if f != nil && !f.inPlace() {
		// Somebody deleted or replaced the file: what was in it is lost to look-ups after a restart.
		s.incarnation.Add(1)
		s.forget(part)
		f = nil
	}
	if f != nil {
		return f, f.prepareWrite()
	}
	if err := part.Validate(); err != nil {
		return nil, err
	}
	if f, err = createFile(s.path(part)); err == nil {
		err = f.prepareWrite()
	}
	if err != nil {
		if f != nil {
			f.close()
		}
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		f.close()
		return nil, sightings.ErrClosed
	}
	for _, other := range s.files { // a new day: the file before is done, most likely
		other.fold()
	}
	s.files[part] = f
	return f, nil
}

func (s *Store) file(part sightings.Part) (*file, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.files == nil {
		return nil, sightings.ErrClosed
	}
	return s.files[part], nil
}

func (s *Store) forget(part sightings.Part) {
	s.mu.Lock()
	f := s.files[part]
	delete(s.files, part)
	s.mu.Unlock()
	if f != nil {
		f.close()
	}
}

// Find returns all values of the keys.
func (s *Store) Find(ctx context.Context, refs []sightings.Ref) ([]sightings.Entry, error) {
	byPart := make(map[sightings.Part][]sightings.Key)
	for _, ref := range refs {
		byPart[ref.Part] = append(byPart[ref.Part], ref.Key)
	}
	var found []sightings.Entry
	for part, keys := range byPart {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, err := s.file(part)
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		err = f.find(keys, func(key sightings.Key, value []byte) {
			found = append(found, sightings.Entry{Ref: sightings.Ref{Part: part, Key: key}, Value: value})
		})
		if err != nil && !errors.Is(err, errFileClosed) { // closed: dropped meanwhile
			return nil, fmt.Errorf("reading %s: %w", f.path, err)
		}
	}
	return found, nil
}

// Parts returns the parts that have a file.
func (s *Store) Parts(context.Context) ([]sightings.Part, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.files == nil {
		return nil, sightings.ErrClosed
	}
	parts := make([]sightings.Part, 0, len(s.files))
	for part := range s.files {
		parts = append(parts, part)
	}
	return parts, nil
}

// Drop deletes a part's file.
func (s *Store) Drop(_ context.Context, part sightings.Part) error {
	if err := part.Validate(); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if f, err := s.file(part); err != nil || f == nil {
		return err
	}
	s.forget(part)
	if err := os.Remove(s.path(part)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.SyncDir(s.dir)
}

// Incarnation changes when a file was taken away.
func (s *Store) Incarnation() uint64 { return s.incarnation.Load() }

// Close waits for what is under way and closes the files.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	files := s.files
	s.files = nil
	s.mu.Unlock()
	var errs []error
	for _, f := range files {
		f.fold() // so that the next start has nothing to read again
		errs = append(errs, f.close())
	}
	return errors.Join(errs...)
}

var _ sightings.Store = (*Store)(nil)
