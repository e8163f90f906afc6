// Package openbolt is the one place that opens bbolt files: [Open], then [File.View] and [File.Update].
//
// bbolt by itself makes a database of an empty file, and on damaged pages it panics, faults or loops. Here a new file
// appears whole or not at all, and an existing one is read through before bbolt may write to it: a damaged file is an
// error, and left as it is. [Copy] copies files that are in use.
package openbolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/wikiveil/wikiveil/internal/durable"
	"github.com/wikiveil/wikiveil/internal/followed"
)

// Errors that callers may test for.
var (
	ErrInUse   = errors.New("file is in use by another process")
	ErrDamaged = errors.New("file is damaged")
)

const (
	// lockTimeout is how long another process may take to let go of a file.
	lockTimeout = time.Second
	// growth is how much a file grows at a time; bbolt's own 16 MiB is much for a small wiki.
	growth = 1 << 20
	// mapped is the address space reserved at first. Growing out of it waits for readers to end.
	mapped = 64 << 20
)

// A File is an open bbolt database. It is safe for concurrent use.
type File struct {
	swapping sync.RWMutex // around the use of db, against Compact
	db       *bbolt.DB
	file     *os.File              // of db
	broken   atomic.Pointer[error] // set once a page could not be read
	closed   func()                // takes it from those that can be copied
}

// Open opens the file at path. A missing one is made, its directory (mode 0700) too, with what init puts into it.
//
// Errors: [ErrDamaged], [ErrInUse], those of init and of the file system.
func Open(path string, init func(*bbolt.Tx) error) (*File, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := Create(path, init); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	// Nothing is written before all is known to be good: bbolt would build on what it misreads.
	checked, err := openChecked(path)
	if err != nil {
		return nil, err
	}
	if err := checked.db.Close(); err != nil {
		return nil, err
	}
	f, err := open(path, false)
	if err != nil {
		return nil, err
	}
	f.db.AllocSize = growth
	f.offer(path)
	return f, nil
}

// OpenReadOnly opens an existing file to read it. Several may do so at once, but none while it is open for writing.
func OpenReadOnly(path string) (*File, error) {
	f, err := openChecked(path)
	if err != nil {
		return nil, err
	}
	f.offer(path)
	return f, nil
}

// offer has [Copy] copy the file by this process's own opening of it.
func (f *File) offer(path string) {
	f.closed = Add(path, func(to *os.File) error {
		return f.View(func(tx *bbolt.Tx) error { return WriteTx(tx, to) })
	})
}

func openChecked(path string) (*File, error) {
	f, err := open(path, true)
	if err != nil {
		return nil, err
	}
	err = Guard(func() error { return f.db.View(func(tx *bbolt.Tx) error { return check(tx, f.file) }) })
	if err != nil {
		f.db.Close() // which it can, after reading
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return f, nil
}

// hopeless are the files, by path, at which bbolt panicked while it opened them. It keeps their memory maps then, so
// they aren't tried again as long as they are the same.
var hopeless sync.Map

// open opens a file whose pages nobody has looked at.
func open(path string, readOnly bool) (*File, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular(): // opening it might wait for ever
		return nil, fmt.Errorf("opening %s: %w: it is not a regular file", path, ErrDamaged)
	case info.Size() == 0: // bbolt would make it a new database
		return nil, fmt.Errorf("opening %s: %w: it is empty", path, ErrDamaged)
	}
	if before, ok := hopeless.Load(path); ok && followed.Same(info, before.(os.FileInfo)) {
		return nil, fmt.Errorf("opening %s: %w: its structure makes no sense", path, ErrDamaged)
	}
	var db *bbolt.DB
	var file *os.File
	options := &bbolt.Options{
		Timeout: lockTimeout, ReadOnly: readOnly, InitialMmapSize: mapped, NoStatistics: true,
		PreLoadFreelist: true, // here, where a fault is caught
		OpenFile: func(name string, flag int, perm fs.FileMode) (*os.File, error) {
			opened, err := os.OpenFile(name, flag&^os.O_CREATE, perm)
			if file == nil { // bbolt opens it anew for a copy
				file = opened
			}
			return opened, err
		},
	}
	panicked := true
	err = Guard(func() error {
		db, err = bbolt.Open(path, 0o600, options)
		panicked = false
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("opening %s: %w", path, ErrInUse)
	case err != nil && panicked:
		hopeless.Store(path, info)
		unlock(file)
		fallthrough
	case err != nil:
		if _, ofSystem := errors.AsType[syscall.Errno](err); !ofSystem && !errors.Is(err, ErrDamaged) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err) // such as a file that is too small
		}
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return &File{db: db, file: file}, nil
}

// TempSuffix ends the name of a file that is being made. A crash may leave one, which holds nothing yet.
const TempSuffix = ".new"

// Create makes the file beside its place and moves it there when it is whole and on
// disk, so that a crash leaves either none or a good one. It replaces nothing.
func Create(path string, init func(*bbolt.Tx) error) error {
	if err := create(path, init); err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	return nil
}

func create(path string, init func(*bbolt.Tx) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, filepath.Base(path)+".*"+TempSuffix)
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
	return durable.Place(temp.Name(), path)
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
	f.swapping.RLock()
	defer f.swapping.RUnlock()
	if broken := f.broken.Load(); broken != nil {
		return *broken
	}
	err := Guard(do)
	if errors.Is(err, ErrDamaged) {
		f.broken.Store(&err)
	}
	return err
}

// Close closes the file.
func (f *File) Close() error {
	f.closed()
	return f.close()
}

func (f *File) close() error {
	f.swapping.Lock()
	defer f.swapping.Unlock()
	if broken := f.broken.Load(); broken != nil {
		unlock(f.file) // so that the file can be opened anew; bbolt would wait for its own locks for ever
		return *broken
	}
	return f.db.Close()
}
