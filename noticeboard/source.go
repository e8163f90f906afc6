package noticeboard

import (
	"fmt"
	"sync"
	"time"

	"github.com/wikiveil/wikiveil/internal/followed"
)

// source is a file of tools. What it last gave goes on to hold while the file's
// present content is no good.
type source struct {
	mu     sync.Mutex
	file   followed.File
	loaded time.Time // when what is in use was read
	err    error     // why the present content isn't in use
}

// refresh reads the file if it may have changed and has use take it over. It
// reports whether there is news: new content in use, or another error.
func (s *source) refresh(use func([]declaration, []badEntry) error) (news bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, fresh, err := s.file.Read()
	switch {
	case err != nil:
		err = fmt.Errorf("reading the file of tools: %w", err)
	case !fresh:
		return false, s.err
	default:
		var list []declaration
		var bad []badEntry
		if list, bad, err = parseFile(data, s.file.Path); err == nil {
			err = use(list, bad)
		}
	}
	before := s.err
	s.err = err
	if err == nil {
		s.loaded = time.Now()
	}
	return err == nil || before == nil || before.Error() != err.Error(), err
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
