package openbolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/internal/durable"
)

// compactTx is how many bytes are copied in one transaction.
const compactTx = 1 << 20

// Compact writes what is in the file into a new one, which takes its place: bbolt leaves what was deleted in free pages, where
// it can be read until they are used again. It waits for all who use the file, and they for it.
func (f *File) Compact() error {
	f.swapping.Lock()
	defer f.swapping.Unlock()
	if broken := f.broken.Load(); broken != nil {
		return *broken
	}
	path := f.db.Path()
	temp, err := f.compacted(path)
	if err != nil {
		return fmt.Errorf("compacting %s: %w", path, err)
	}
	defer os.Remove(temp) // once it is renamed there is none
	err = errors.Join(f.db.Close(), os.Rename(temp, path), durable.SyncDir(filepath.Dir(path)))
	opened, errOpen := open(path, false)
	if errOpen != nil { // there is nothing to go on with
		broken := fmt.Errorf("%w: after it was compacted: %w", ErrDamaged, errors.Join(err, errOpen))
		f.broken.Store(&broken)
		return broken
	}
	opened.db.AllocSize = growth
	f.db, f.file = opened.db, opened.file
	return err
}

// compacted makes the new file beside the old one.
func (f *File) compacted(path string) (name string, err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*"+TempSuffix)
	if err != nil {
		return "", err
	}
	name = temp.Name()
	if err := temp.Close(); err != nil {
		return "", errors.Join(err, os.Remove(name))
	}
	to, err := bbolt.Open(name, 0o600, &bbolt.Options{Timeout: lockTimeout})
	if err == nil {
		err = Guard(func() error { return bbolt.Compact(to, f.db, compactTx) })
		err = errors.Join(err, to.Close())
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(name))
	}
	return name, nil
}
