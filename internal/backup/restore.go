package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/wikiveil/wikiveil/internal/durable"
)

// maxValues is the most that the values of the storage have together: they are held in memory.
const maxValues = 256 << 20

// Verify reads all of an archive and puts nothing anywhere.
func Verify(r io.Reader) (Manifest, error) {
	return Read(r, func(string, int64, io.Reader) error { return nil })
}

// Staged is what was read from an archive and isn't in its place yet.
type Staged struct {
	Values map[string][]byte // of the storage, by key
	dir    string            // the data_dir
	name   string            // of the directory in it that has the files
	files  []string
}

// Stage reads an archive into a new directory in dir, the data_dir, which is made if it isn't there. Where it fails, that directory is
// removed.
func Stage(r io.Reader, dir string) (_ *Staged, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	made, err := os.MkdirTemp(dir, StagePrefix)
	if err != nil {
		return nil, err
	}
	s := &Staged{make(map[string][]byte), dir, filepath.Base(made), nil}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	root, err := os.OpenRoot(made)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	room := int64(maxValues)
	_, err = Read(r, func(name string, size int64, content io.Reader) error {
		if key, ok := strings.CutPrefix(name, storagePrefix); ok {
			if room -= size; room < 0 {
				return fmt.Errorf("%w: the values of the storage have more than %d bytes", ErrFormat, maxValues)
			}
			value, err := io.ReadAll(content)
			s.Values[key] = value
			return err
		}
		file := strings.TrimPrefix(name, dataPrefix)
		s.files = append(s.files, file)
		return writeIn(root, file, content)
	})
	return s, err
}

// writeIn makes a file below a root, durably.
func writeIn(root *os.Root, name string, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Place moves the files to their places, where none may be.
func (s *Staged) Place() error {
	return move(s.dir, s.files, s.name, ".")
}

// Close removes what is left of the directory.
func (s *Staged) Close() error { return os.RemoveAll(filepath.Join(s.dir, s.name)) }

// MoveAside moves the files of a data_dir that belong to a backup into a directory in it.
func MoveAside(dir, into string) error {
	names, err := DataFiles(dir)
	if err != nil || len(names) == 0 {
		return err
	}
	return move(dir, names, ".", into)
}

// move moves files between two directories in dir.
func move(dir string, names []string, from, to string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	touched := map[string]bool{}
	for _, name := range names {
		target := path.Join(to, name)
		if err := root.MkdirAll(path.Dir(target), 0o700); err != nil {
			return err
		}
		if _, err := root.Lstat(target); err == nil {
			return &fs.PathError{Op: "move", Path: filepath.Join(dir, target), Err: fs.ErrExist}
		}
		if err := root.Rename(path.Join(from, name), target); err != nil {
			return err
		}
		touched[path.Dir(target)] = true
	}
	touched["."] = true
	for sub := range touched {
		if err := durable.SyncDir(filepath.Join(dir, sub)); err != nil {
			return err
		}
	}
	return nil
}
