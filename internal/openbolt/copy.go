package openbolt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"go.etcd.io/bbolt"
)

// Other processes can't open what this one has open, and who copies the bytes of a file that is being written gets one that
// can't be used: so these are copied by their own transactions.
var (
	mu    sync.Mutex
	files = make(map[string]*entry) // by path
)

type entry struct{ copy func(*os.File) error }

// Add tells that the file at path is open, and how it is copied, by [WriteTx] in a reading transaction. Remove takes that back.
func Add(path string, copy func(to *os.File) error) (remove func()) {
	path, e := clean(path), &entry{copy}
	mu.Lock()
	defer mu.Unlock()
	files[path] = e
	return func() {
		mu.Lock()
		defer mu.Unlock()
		if files[path] == e { // it may have been opened anew meanwhile
			delete(files, path)
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
	f, err := open(path, true)
	if err != nil {
		return err
	}
	err = f.View(func(tx *bbolt.Tx) error { return WriteTx(tx, to) })
	return errors.Join(err, f.close())
}

func opened(path string) *entry {
	mu.Lock()
	defer mu.Unlock()
	return files[clean(path)]
}

// CheckFree returns [ErrInUse] if another process has the file open for writing.
func CheckFree(path string) error {
	f, err := open(path, true)
	if errors.Is(err, ErrDamaged) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.close()
}

// WriteTx writes a transaction's view of its file into another.
func WriteTx(tx *bbolt.Tx, to io.Writer) error {
	_, err := tx.WriteTo(to)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut short", ErrDamaged)
	}
	if err != nil {
		return fmt.Errorf("copying: %w", err)
	}
	return nil
}
