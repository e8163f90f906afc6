package pool

import (
	"errors"
	"slices"
	"sync"
)

// Held is what somebody has acquired. Its zero value is nothing.
type Held struct {
	// Late is told of a release that failed after Release has returned. Default: nobody is.
	Late func(error)

	mu       sync.Mutex
	releases []func() error // in the order acquired
	users    int
	released bool
}

// Add has something done at the release, before all that was added before it.
func (h *Held) Add(release func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.releases = append(h.releases, release)
}

// Use keeps all from being given back until done is called. It reports false where Release was called before.
func (h *Held) Use() (done func(), ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.released {
		return func() {}, false
	}
	h.users++
	return h.done, true
}

func (h *Held) done() {
	h.mu.Lock()
	h.users--
	last := h.released && h.users == 0
	h.mu.Unlock()
	if !last {
		return
	}
	if err := h.giveBack(); err != nil && h.Late != nil {
		h.Late(err)
	}
}

// Release gives all back, the last acquired first, at once or after the last user. Further calls do nothing.
func (h *Held) Release() error {
	h.mu.Lock()
	now := !h.released && h.users == 0
	h.released = true
	h.mu.Unlock()
	if !now {
		return nil
	}
	return h.giveBack()
}

func (h *Held) giveBack() error {
	var errs []error
	for _, release := range slices.Backward(h.releases) {
		errs = append(errs, release())
	}
	h.releases = nil
	return errors.Join(errs...)
}
