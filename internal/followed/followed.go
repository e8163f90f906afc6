// Package followed looks again and again at what others change while the edge runs: at files that they replace or rewrite, and
// by [Every] at anything else.
//
//	f := followed.File{Path: "/etc/wikiveil/tools.json", Most: 4 << 20}
//	data, fresh, err := f.Read() // now and then
package followed

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// settle is how long a file must have stood still before its time is trusted to
// show the next change: clocks of file systems are coarse.
const settle = 2 * time.Second

// ErrChanging: a file was changed while it was read, and is whole maybe later.
var ErrChanging = errors.New("is being written")

// A File is read when it may have changed. It is not safe for concurrent use.
type File struct {
	Path string
	Most int64 // bytes

	seen os.FileInfo        // nil where the file is to be read in any case
	sum  *[sha256.Size]byte // of the content that Read returned last; nil after an error
}

// Read returns the file's content where it is fresh: another than Read returned before, or the first after an error. One that
// is being written is an error.
func (f *File) Read() (data []byte, fresh bool, err error) {
	if now, err := os.Stat(f.Path); err == nil && f.seen != nil && Same(now, f.seen) {
		return nil, false, nil
	}
	f.seen = nil
	if data, err = f.read(); err != nil {
		f.sum = nil
		return nil, false, err
	}
	sum := sha256.Sum256(data)
	if f.sum != nil && *f.sum == sum {
		return nil, false, nil // only its time is another
	}
	f.sum = &sum
	return data, true, nil
}

func (f *File) read() (data []byte, err error) {
	err = f.open(func(file *os.File) error {
		data, err = io.ReadAll(file)
		return err
	})
	return data, err
}

// Stream is Read for a file that is too long to be held. Fresh is one that may be another than Stream read before: use reads
// it, and what it made of that counts only where the error is nil. An error of use is returned once.
func (f *File) Stream(use func(io.Reader) error) (fresh bool, err error) {
	if now, err := os.Stat(f.Path); err == nil && f.seen != nil && Same(now, f.seen) {
		return false, nil
	}
	f.seen = nil
	var useErr error
	if err := f.open(func(file *os.File) error {
		useErr = use(file)
		return nil
	}); err != nil {
		return false, err
	}
	return true, useErr
}

// open has a file read, and notes that it was.
func (f *File) open(read func(*os.File) error) error {
	before, err := os.Stat(f.Path)
	switch {
	case err != nil:
		return err
	case !before.Mode().IsRegular(): // opening a pipe would wait for its writer
		return fmt.Errorf("%s isn't a file", f.Path)
	case before.Size() > f.Most:
		return fmt.Errorf("%s is larger than %d bytes", f.Path, f.Most)
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := read(file); err != nil {
		return err
	}
	after, err := os.Stat(f.Path)
	if err != nil {
		return err
	}
	if !Same(before, after) {
		return fmt.Errorf("%s %w", f.Path, ErrChanging)
	}
	if time.Since(after.ModTime()) > settle {
		f.seen = after
	}
	return nil
}

// Same reports whether a file looks as it did before.
func Same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
