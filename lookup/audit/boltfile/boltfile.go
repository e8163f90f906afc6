// Package boltfile opens bbolt files whose loss must never go unnoticed.
//
// bbolt by itself makes a database of an empty file, falls back without a word on
// the last but one commit where the newest header is damaged, and panics, faults or
// loops on damaged pages. Here a new file appears whole or not at all, and an
// existing one is inspected byte for byte of its structure before bbolt may touch
// it: a damaged file is refused and left as it is.
package boltfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/wikiveil/wikiveil/internal/durable"
	"github.com/wikiveil/wikiveil/internal/openbolt"
)

// Errors that callers may test for.
var (
	ErrDamaged = openbolt.ErrDamaged
	ErrInUse   = openbolt.ErrInUse
)

const (
	lockTimeout = time.Second
	// growth is how much a file grows at a time; bbolt's own 16 MiB is much for a small wiki.
	growth = 1 << 20
	// mapped is the address space reserved at first. Growing out of it waits for readers to end.
	mapped = 64 << 20
)

// A File is an open bbolt database. It is safe for concurrent use.
type File struct {
	db     *bbolt.DB
	file   *os.File              // of db
	broken atomic.Pointer[error] // set once a page could not be read
	closed func()                // takes it from those that can be copied
}

// Open opens the file at path. A missing one is made, its directory (mode 0700) too,
// with what init puts into it.
//
// Errors: [ErrDamaged], [ErrInUse], those of init and of the file system.
func Open(path string, init func(*bbolt.Tx) error) (*File, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path, init); err != nil {
			return nil, fmt.Errorf("making %s: %w", path, err)
		}
	}
	return open(path, false)
}

// OpenReadOnly opens an existing file to read it. Several may do so at once, but
// none while it is open for writing.
func OpenReadOnly(path string) (*File, error) { return open(path, true) }

func open(path string, readOnly bool) (*File, error) {
	damage := inspect(path)
	if damage != nil && !errors.Is(damage, ErrDamaged) {
		return nil, damage
	}
	// A file that is being written looks damaged, so the lock is asked for all the same.
	db, file, err := openBolt(path, readOnly || damage != nil)
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("opening %s: %w", path, ErrInUse)
	}
	if damage != nil && err == nil {
		damage = inspect(path) // now under the lock
		db.Close()
		if damage == nil {
			db, file, err = openBolt(path, readOnly)
		}
	}
	if damage != nil {
		return nil, fmt.Errorf("opening %s: %w", path, damage)
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.AllocSize = growth
	f := &File{db: db, file: file}
	f.closed = openbolt.Add(path, func(to *os.File) error {
		return f.View(func(tx *bbolt.Tx) error { return openbolt.WriteTx(tx, to) })
	})
	return f, nil
}

// openBolt opens a file that may be damaged.
func openBolt(path string, readOnly bool) (db *bbolt.DB, file *os.File, err error) {
	options := &bbolt.Options{
		Timeout: lockTimeout, ReadOnly: readOnly, InitialMmapSize: mapped, NoStatistics: true,
		OpenFile: func(name string, flag int, perm fs.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag&^os.O_CREATE, perm)
			return file, err
		},
	}
	err = catch(func() error {
		db, err = bbolt.Open(path, 0o600, options)
		return err
	})
	if errors.Is(err, ErrDamaged) && file != nil {
		file.Close() // bbolt panicked: its lock must go
	}
	return db, file, err
}

// create makes the file beside its place and moves it there when it is whole and on
// disk, so that a crash leaves either none or a good one.
func create(path string, init func(*bbolt.Tx) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, filepath.Base(path)+".new*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if err := temp.Close(); err != nil {
		return err
	}
	db, err := bbolt.Open(temp.Name(), 0o600, &bbolt.Options{Timeout: lockTimeout})
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(init), db.Close()); err != nil {
		return err
	}
	// A link, unlike a rename, never replaces what another process has made meanwhile.
	if err := os.Link(temp.Name(), path); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil { // a file system without links
		if err := os.Rename(temp.Name(), path); err != nil {
			return err
		}
	}
	return durable.SyncDir(dir)
}

// View runs fn in a reading transaction, as [bbolt.DB.View].
func (f *File) View(fn func(*bbolt.Tx) error) error {
	return f.run(func() error { return f.db.View(fn) })
}

// Update runs fn in a writing transaction, as [bbolt.DB.Update]: where it returns
// nil, the change is on disk.
func (f *File) Update(fn func(*bbolt.Tx) error) error {
	return f.run(func() error { return f.db.Update(fn) })
}

// run calls do. Where a page can't be read, as on a failing disk, that ends the use
// of the file and not the process; bbolt's locks may never be released then.
func (f *File) run(do func() error) error {
	if broken := f.broken.Load(); broken != nil {
		return *broken
	}
	err := catch(do)
	if errors.Is(err, ErrDamaged) {
		f.broken.Store(&err)
	}
	return err
}

// Close closes the file.
func (f *File) Close() error {
	f.closed()
	if broken := f.broken.Load(); broken != nil {
		f.file.Close() // the lock must go, so that the file can be opened anew; bbolt would wait for its own locks for ever
		return *broken
	}
	return f.db.Close()
}

// catch turns a panic or a memory fault of do into ErrDamaged.
func catch(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: reading a page: %v", ErrDamaged, r)
		}
	}()
	return do()
}
