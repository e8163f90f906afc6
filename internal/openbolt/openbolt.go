// Package openbolt copies bbolt files, those too that this process has open: their locks keep other processes out, and who
// copies the bytes of a file that is being written gets one that can't be used.
package openbolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Errors that callers may test for.
var (
	ErrInUse   = errors.New("file is in use by another process")
	ErrDamaged = errors.New("file is damaged")
)

// lockTimeout is how long another process may take to let go of a file.
const lockTimeout = 3 * time.Second

var (
	mu   sync.Mutex
	open = make(map[string]*entry) // by path
)

type entry struct{ copy func(*os.File) error }

// Add tells that the file at path is open, and how it is copied, by [WriteTx] in a reading transaction. Remove takes that back.
func Add(path string, copy func(to *os.File) error) (remove func()) {
	path, e := clean(path), &entry{copy}
	mu.Lock()
	defer mu.Unlock()
	open[path] = e
	return func() {
		mu.Lock()
		defer mu.Unlock()
		if open[path] == e { // it may have been opened anew meanwhile
			delete(open, path)
		}
	}
}

func clean(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// Copy writes the file at path, as its last commit left it, into an empty one.
//
// Errors: [ErrInUse], [ErrDamaged] and those of the file system.
func Copy(path string, to *os.File) error {
	for e := opened(path); e != nil; e = opened(path) {
		err := e.copy(to)
		if err == nil || opened(path) == e {
			return err
		}
		// It was closed meanwhile.
		if _, err := to.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := to.Truncate(0); err != nil {
			return err
		}
	}
	return view(path, func(tx *bbolt.Tx) error { return WriteTx(tx, to) })
}

func opened(path string) *entry {
	mu.Lock()
	defer mu.Unlock()
	return open[clean(path)]
}

// CheckFree tells whether no other process has the file open for writing, as [ErrInUse].
func CheckFree(path string) error {
	err := view(path, func(*bbolt.Tx) error { return nil })
	if errors.Is(err, ErrDamaged) {
		return nil
	}
	return err
}

// view reads a file that this process doesn't have open, under its lock. A page that makes no sense, or can't be read,
// makes bbolt panic or fault.
func view(path string, do func(*bbolt.Tx) error) (err error) {
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	} else if !info.Mode().IsRegular() { // opening it might wait for ever
		return fmt.Errorf("%s: %w: it is not a regular file", path, ErrDamaged)
	}
	var file *os.File
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			file.Close() // bbolt would wait for its own locks for ever
			err = fmt.Errorf("%s: %w: its structure makes no sense", path, ErrDamaged)
		}
	}()
	db, err := bbolt.Open(path, 0, &bbolt.Options{
		ReadOnly: true, Timeout: lockTimeout, NoStatistics: true,
		OpenFile: func(name string, _ int, _ os.FileMode) (_ *os.File, err error) {
			file, err = os.Open(name) // and never make one
			return file, err
		},
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%s: %w", path, ErrInUse)
	case err != nil && file == nil:
		return err
	case err != nil:
		return fmt.Errorf("%s: %w: %w", path, ErrDamaged, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.View(do); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: %w: it is cut short", path, ErrDamaged)
	} else if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// bbolt's header pages: a page header, then what is checked by the sum at its end.
const (
	pageHeader = 16
	metaSize   = 64
	txidAt     = 48
)

// WriteTx writes a transaction's view of its file into an empty one. Where the newest header belongs goes by its number,
// as in a file that bbolt itself wrote: [bbolt.Tx.WriteTo] always puts it first.
func WriteTx(tx *bbolt.Tx, to *os.File) error {
	if _, err := tx.WriteTo(to); err != nil {
		return fmt.Errorf("copying: %w", err)
	}
	page := int64(tx.DB().Info().PageSize)
	var first, second [metaSize]byte
	if _, err := to.ReadAt(first[:], pageHeader); err != nil {
		return err
	}
	if binary.NativeEndian.Uint64(first[txidAt:])%2 == 0 {
		return nil
	}
	if _, err := to.ReadAt(second[:], page+pageHeader); err != nil {
		return err
	}
	if _, err := to.WriteAt(second[:], pageHeader); err != nil {
		return err
	}
	_, err := to.WriteAt(first[:], page+pageHeader)
	return err
}
