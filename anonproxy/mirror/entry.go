package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// Times between attempts to get a file.
const (
	firstRetry = 5 * time.Second
	lastRetry  = 15 * time.Minute
	busyRetry  = time.Second // somebody else tries now
)

// ErrPending says that a file isn't there yet.
var ErrPending = errors.New("the file hasn't been fetched yet")

// MismatchError says that the service gives another file than the pinned one.
type MismatchError struct {
	// Got is the hash of what it gives.
	Got string
}

func (e *MismatchError) Error() string {
	return "the file differs from the one that is pinned: its hash is " + e.Got
}

// Response is what a service gives for a file.
type Response struct {
	Body io.ReadCloser // with the caller's limits of size and time
	Meta
}

// Meta is what a service says of a file, which is no more than its word.
type Meta struct {
	Type string `json:"type"` // its content type
	URL  string `json:"url"`  // where redirects led
}

// Fetch asks a service for a file.
type Fetch func(context.Context) (*Response, error)

// Entry is a file in use.
type Entry struct {
	store   *Store
	key     Key
	holders int // the store's mutex is around it

	mu       sync.Mutex
	file     *File
	looked   bool // on disk
	busy     bool
	released bool
	err      error // of the last attempt
	failures int
	due      time.Time     // when to try again
	changed  chan struct{} // closed with each change
}

// Get returns the file if the store has it, and waits for an attempt that is to
// come or at work, as long as the context lasts. The error is that of the last
// attempt, or [ErrPending]. No call of it makes anybody ask the service.
func (e *Entry) Get(ctx context.Context) (*File, error) {
	for {
		e.mu.Lock()
		file, err, changed := e.file, e.err, e.changed
		look := file == nil && !e.looked && !e.busy
		e.busy = e.busy || look
		e.mu.Unlock()
		switch {
		case file != nil:
			return file, nil
		case look:
			e.settle(e.store.load(e), nil, false)
			continue
		case err != nil:
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ErrPending
		}
	}
}

// Fill gets the file where the store doesn't have it, by one attempt of all callers
// at a time, and not before the last attempt's delay is over. It returns whether it
// asked, with what result, and after how long to call again: 0 where the file is there.
func (e *Entry) Fill(ctx context.Context, fetch Fetch) (asked bool, again time.Duration, err error) {
	e.mu.Lock()
	switch wait := time.Until(e.due); {
	case e.file != nil:
		e.mu.Unlock()
		return false, 0, nil
	case e.busy:
		e.mu.Unlock()
		return false, busyRetry, nil
	case wait > 0:
		e.mu.Unlock()
		return false, wait, nil
	}
	e.busy = true
	look := !e.looked
	e.mu.Unlock()

	var file *File
	if look {
		file = e.store.load(e)
	}
	if file == nil {
		asked = true
		file, err = e.store.fetch(ctx, e, fetch)
	}
	canceled := err != nil && ctx.Err() != nil // says nothing about the service
	again = e.settle(file, err, canceled)
	return asked && !canceled, again, err
}

// settle notes what came of an attempt.
func (e *Entry) settle(file *File, err error, canceled bool) (again time.Duration) {
	e.mu.Lock()
	if file != nil && e.released { // meanwhile: nobody will
		defer e.store.unreserve(int64(len(file.body)))
	}
	defer e.mu.Unlock()
	e.busy, e.looked = false, true
	switch {
	case file != nil:
		e.file, e.err, e.failures = file, nil, 0
	case canceled:
		again = busyRetry
	case err != nil:
		e.err = err
		again = min(firstRetry<<min(e.failures, 20), lastRetry)
		again += rand.N(again/4 + 1) // edges that started together don't ask together
		e.failures++
		e.due = time.Now().Add(again)
	}
	close(e.changed)
	e.changed = make(chan struct{})
	return again
}

// lost notes that a file can't be read any more. It is looked for anew.
func (e *Entry) lost(file *File) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file == file {
		e.file, e.looked, e.due = nil, false, time.Time{}
	}
}

// File is a file whose content is the pinned one.
type File struct {
	Meta
	entry  *Entry
	size   int64
	body   []byte // nil: on disk
	offset int64  // on disk, of the content
}

// Size is in bytes.
func (f *File) Size() int64 { return f.size }

// Open returns the content, for the caller to close. A file that has gone from the
// disk is noted as such, and an error.
func (f *File) Open() (io.ReadSeekCloser, error) {
	if f.body != nil || f.size == 0 {
		return inMemory(f.body), nil
	}
	content, err := f.entry.store.open(f)
	if err != nil {
		f.entry.lost(f)
		return nil, fmt.Errorf("reading a kept file: %w", err)
	}
	return content, nil
}
