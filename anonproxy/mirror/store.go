package mirror

import (
	"errors"
	"io"
	"os"
	"sync"
)

// DefaultMemory is how many bytes of files a store holds in memory.
const DefaultMemory = 64 << 20

// Config says how a [Store] works. The zero value is ready to use.
type Config struct {
	// Dir is the directory for the files. It is made when the first file comes; files
	// of others in it are left alone. Default: none, files are kept in memory alone.
	Dir string

	// Memory bounds the files in memory, in bytes. Others are served from disk.
	// Default: DefaultMemory.
	Memory int64
}

// Key names a file: the content that is pinned, and where it comes from.
type Key struct {
	URL string
	// Integrity is the content's hash as in the integrity attribute, one and without
	// options.
	Integrity string
}

// Store keeps files. It is safe for concurrent use; proxies share it.
type Store struct {
	cfg Config

	mu      sync.Mutex
	root    *os.Root // nil: not opened
	tidied  bool
	closed  bool
	memory  int64 // in use
	entries map[Key]*Entry
}

// New returns a store. It touches no file before one is asked for.
func New(cfg Config) *Store {
	if cfg.Memory <= 0 {
		cfg.Memory = DefaultMemory
	}
	return &Store{cfg: cfg, entries: make(map[Key]*Entry)}
}

// Dir is the directory for the files, empty where they are kept in memory alone.
func (s *Store) Dir() string { return s.cfg.Dir }

// Close lets go of the directory. Files that are being served stay readable.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.root == nil {
		return nil
	}
	root := s.root
	s.root = nil
	return root.Close()
}

// Hold takes a file into use, for the caller to release. All who hold it share
// what is known of it.
func (s *Store) Hold(key Key) *Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil {
		e = &Entry{store: s, key: key, changed: make(chan struct{})}
		s.entries[key] = e
	}
	e.holders++
	return e
}

// Release ends the use of a file. What is in memory is forgotten after the last.
func (e *Entry) Release() {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	if e.holders--; e.holders > 0 {
		return
	}
	delete(e.store.entries, e.key)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.released = true
	if e.file != nil {
		e.store.memory -= int64(len(e.file.body))
	}
}

// reserve takes room in memory, if there is so much.
func (s *Store) reserve(size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > s.cfg.Memory-s.memory {
		return false
	}
	s.memory += size
	return true
}

func (s *Store) unreserve(size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory -= size
}

// room is how much more memory may hold.
func (s *Store) room() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.Memory - s.memory
}

// Interface guard
var _ io.Closer = (*Store)(nil)

var errClosed = errors.New("the mirror's store is closed")
