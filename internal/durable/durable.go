// Package durable makes files stay over a crash of the machine.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// SyncDir makes new and removed names in a directory durable, where the system can.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	switch err := d.Sync(); {
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.EINVAL): // what file systems say that can't
		return nil
	case errors.Is(err, fs.ErrPermission): // Windows permits no sync of a directory
		return nil
	default:
		return err
	}
}

// Create makes a file, for its owner alone, that is whole and on disk or not there. While it is written it is called
// name.partial. It replaces nothing.
func Create(name string, write func(io.Writer) error) error {
	if _, err := os.Lstat(name); err == nil {
		return &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	partial := name + ".partial"
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: delete it, unless it is being written now", err)
	}
	if err != nil {
		return err
	}
	defer os.Remove(partial) // once it is renamed there is none
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return Place(partial, name)
}

// Replace writes a file for its owner alone, in the place of one that is there: after a crash it is the new one as a whole,
// or the old one.
func Replace(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // once it is renamed there is none
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(name))
}

// Place puts a file that is whole and on disk under its name, unless there is one: that is [fs.ErrExist]. The old name is for
// the caller to remove.
func Place(made, name string) error {
	// A link, unlike a rename, never replaces what has come meanwhile.
	if err := os.Link(made, name); errors.Is(err, fs.ErrExist) {
		return err
	} else if err != nil { // a file system without links
		if err := os.Rename(made, name); err != nil {
			return err
		}
	}
	return SyncDir(filepath.Dir(name))
}
