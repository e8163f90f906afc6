package noticeboard

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// settle is how long a file must have stood still before its time is trusted to
// show the next change: clocks of file systems are coarse.
const settle = 2 * time.Second

// source is a file of tools. What it last gave goes on to hold while the file's
// present content is no good.
type source struct {
	path string

	mu     sync.Mutex
	tried  os.FileInfo // nil where the file is to be read again in any case
	data   []byte      // as last read
	loaded time.Time   // when what is in use was read
	err    error       // why the present content isn't in use
}

// refresh reads the file if it may have changed and has use take it over. It
// reports whether there is news: new content in use, or another error.
func (s *source) refresh(use func([]declaration, []badEntry) error) (news bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := os.Stat(s.path)
	if err == nil && s.tried != nil && unchanged(now, s.tried) {
		return false, s.err
	}
	before := s.err
	data, err := s.read()
	if err == nil && s.data != nil && bytes.Equal(data, s.data) {
		return false, s.err // only its time is another
	}
	if err == nil {
		s.data = data
		var list []declaration
		var bad []badEntry
		if list, bad, err = parseFile(data, s.path); err == nil {
			err = use(list, bad)
		}
	} else {
		s.data = nil // what comes next is news, even if it is the content from before
	}
	s.err = err
	if err == nil {
		s.loaded = time.Now()
	}
	return err == nil || before == nil || before.Error() != err.Error(), err
}

// read returns the file's content if it stood still meanwhile.
func (s *source) read() ([]byte, error) {
	s.tried = nil
	before, err := os.Stat(s.path)
	if err != nil {
		return nil, fmt.Errorf("reading the file of tools: %w", err)
	}
	if !before.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, fmt.Errorf("reading the file of tools: %s isn't a file", s.path)
	}
	f, err := os.Open(s.path)
	if err != nil {
		return nil, fmt.Errorf("opening the file of tools: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the file of tools: %w", err)
	}
	after, err := os.Stat(s.path)
	if err != nil {
		return nil, fmt.Errorf("reading the file of tools: %w", err)
	}
	if !unchanged(before, after) || len(data) <= maxFile && int64(len(data)) != after.Size() {
		return nil, fmt.Errorf("reading the file of tools: %s is being written", s.path)
	}
	if time.Since(after.ModTime()) > settle {
		s.tried = after
	}
	return data, nil
}

func unchanged(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// status tells when the content in use was read, and why the present one isn't.
func (s *source) status() (loaded time.Time, err error) {
	if s == nil {
		return time.Time{}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loaded, s.err
}
