// Package followed looks again and again at what others change while the edge runs: at files that they replace or rewrite, and
// by [Every] at anything else.
//
//	f := followed.File{Path: "/etc/wikiveil/tools.json", Most: 4 << 20}
//	data, fresh, err := f.Read() // now and then
package followed

import (
	"crypto/sha256"
	"fmt"
	"os"
	"time"
)

// settle is how long a file must have stood still before its time is trusted to
// show the next change: clocks of file systems are coarse.
const settle = 2 * time.Second

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

func (f *File) read() ([]byte, error) {
	before, err := os.Stat(f.Path)
	switch {
	case err != nil:
		return nil, err
	case !before.Mode().IsRegular(): // opening a pipe would wait for its writer
		return nil, fmt.Errorf("%s isn't a file", f.Path)
	case before.Size() > f.Most:
		return nil, fmt.Errorf("%s is larger than %d bytes", f.Path, f.Most)
	}
	data, err := os.ReadFile(f.Path)
	if err != nil {
		return nil, err
	}
	after, err := os.Stat(f.Path)
	if err != nil {
		return nil, err
	}
	if !Same(before, after) || int64(len(data)) != after.Size() {
		return nil, fmt.Errorf("%s is being written", f.Path)
	}
	if time.Since(after.ModTime()) > settle {
		f.seen = after
	}
	return data, nil
}

// Same reports whether a file looks as it did before.
func Same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
