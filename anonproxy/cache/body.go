package cache

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Sizes in bytes of what a body's memory grows by.
const (
	firstBlock = 4 << 10
	maxBlock   = 256 << 10 // of a body of known length, at once: it may never come

	// window bounds what is held of a body that isn't kept, and windowBlock is what readers take of it
	// at once. Both are outside of the store's bound.
	window      = 64 << 10
	windowBlock = 32 << 10

	// patience is how long one reader may hold up others who are ahead of them.
	patience = 10 * time.Second
)

var (
	errNobody = errors.New("nobody waits for the answer any more")
	errSlow   = errors.New("the reader was too slow for the others")
)

// body is a response body, arriving or whole. Of one that isn't kept only a window is held: what its
// slowest reader hasn't got yet, and the tool waits for them.
//
// One goroutine fills it, by grow or slide, and put, and in the end finish.
type body struct {
	store *store
	share *share
	whole atomic.Bool  // it is kept, and nothing changes any more
	uses  atomic.Int64 // by the fetch, the store and each reader; see store.release

	mu      sync.Mutex
	changed sync.Cond // bytes have come, or a reader has moved or left
	kept    bool
	bytes   []byte
	start   int64  // of the bytes in the body
	window  []byte // holds the bytes of a body that isn't kept
	held    int64  // counted in the store
	err     error  // how it ended, io.EOF if well
	readers map[*reader]struct{}
}

// reader is one who reads a body from its start on while it arrives, or waits for it.
type reader struct {
	offset int64
	behind bool
	alone  chan struct{} // closed where the answer was another's
}

// newBody returns an empty body that isn't kept, with one user.
func newBody(s *store, sh *share) *body {
	b := &body{store: s, share: sh, readers: make(map[*reader]struct{})}
	b.changed.L = &b.mu
	b.acquire()
	return b
}

func (b *body) acquire() { b.uses.Add(1) }

func (b *body) release() { b.store.release(b) }

func (b *body) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed.Broadcast()
}

// keep has the body kept, if there is room for the cost of its entry.
func (b *body) keep(cost int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept = b.store.reserve(b.share, cost); b.kept {
		b.held = cost
	}
	return b.kept
}

// stop says that the body is not to be kept after all.
func (b *body) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = false
}

// room is where the next bytes go. Nobody else touches it until they are put. mu is held.
func (b *body) room() []byte { return b.bytes[len(b.bytes):cap(b.bytes)] }

// grow makes room in a body that is kept, of which so much is left to come, or -1 where nobody knows. There
// is none where the store has none, or the body is larger than it may be.
func (b *body) grow(left, most int64) (room []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.bytes) < cap(b.bytes) {
		return b.room()
	}
	n := max(firstBlock, 2*int64(cap(b.bytes)))
	if left >= 0 { // and a byte, to see the end
		n = min(max(n, maxBlock), int64(len(b.bytes))+left+1)
	}
	n = min(n, most+1)
	if n <= int64(len(b.bytes)) || !b.store.reserve(b.share, n-int64(cap(b.bytes))) {
		return nil
	}
	b.held += n - int64(cap(b.bytes))
	b.bytes = append(make([]byte, 0, n), b.bytes...)
	return b.room()
}

// slide makes room in a body that isn't kept: it forgets what every reader has got, and waits until little
// is left. Who keeps others waiting for too long is left behind. Left is as for grow.
func (b *body) slide(ctx context.Context, left int64) (room []byte, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.bytes) < cap(b.bytes) {
		return b.room(), nil
	}
	defer context.AfterFunc(ctx, b.wake)()
	limit := time.Now().Add(patience)
	defer time.AfterFunc(patience, b.wake).Stop()
	for {
		low, high := b.start+int64(len(b.bytes)), int64(0)
		for r := range b.readers {
			low, high = min(low, r.offset), max(high, r.offset)
		}
		b.bytes, b.start = b.bytes[low-b.start:], low
		switch {
		case len(b.readers) == 0:
			return nil, errNobody
		case len(b.bytes) <= window-windowBlock:
			b.moveToWindow(left)
			return b.room(), nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case low < high && !time.Now().Before(limit):
			for r := range b.readers {
				if r.offset == low {
					r.behind = true
					delete(b.readers, r)
				}
			}
			b.changed.Broadcast()
			continue
		}
		b.changed.Wait()
	}
}

// moveToWindow puts what is left to the window's start. mu is held.
func (b *body) moveToWindow(left int64) {
	if b.window == nil {
		n := int64(window)
		if left >= 0 {
			n = min(n, int64(len(b.bytes))+left+1)
		}
		b.window = make([]byte, 0, n)
		b.store.giveBack(b.share, b.held)
		b.held = 0
	}
	b.bytes = append(b.window, b.bytes...)
}

// put takes the n bytes that were read into the room.
func (b *body) put(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes = b.bytes[:len(b.bytes)+n]
	b.changed.Broadcast()
}

// finish says that nothing more comes. Where the body is kept and whole, complete is called before
// anybody can see that.
func (b *body) finish(err error, complete func()) {
	if err == io.EOF && b.trim() {
		complete()
		b.whole.Store(true)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	b.changed.Broadcast()
}

// trim gives the memory back that a kept body doesn't need.
func (b *body) trim() (kept bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if spare := int64(cap(b.bytes) - len(b.bytes)); b.kept && spare > firstBlock/4 {
		b.bytes = append(make([]byte, 0, len(b.bytes)), b.bytes...)
		b.held -= spare
		b.store.giveBack(b.share, spare)
	}
	return b.kept
}

// join adds a reader, while nothing has been forgotten yet.
func (b *body) join(r *reader) {
	b.acquire()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readers[r] = struct{}{}
}

// skip lets go of what comes before an offset.
func (b *body) skip(r *reader, offset int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.offset = max(r.offset, offset)
	b.changed.Broadcast()
}

// leave forgets a reader and reports whether nobody is left who needs more of the body.
func (b *body) leave(r *reader) (needless bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.readers, r)
	b.changed.Broadcast()
	return len(b.readers) == 0 && !b.kept
}

// sendAway forgets all readers but one, which may be nil, and returns them.
func (b *body) sendAway(but *reader) (gone []*reader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.readers {
		if r != but {
			gone = append(gone, r)
			delete(b.readers, r)
		}
	}
	return gone
}

// one returns a reader: this one, unless they have left.
func (b *body) one(first *reader) *reader {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.readers[first]; ok {
		return first
	}
	for r := range b.readers {
		return r
	}
	return nil
}

// read copies what comes next for a reader, and waits for it if it must. More is false where more is slow to
// come.
func (b *body) read(ctx context.Context, r *reader, p []byte) (n int, more bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		end := b.start + int64(len(b.bytes))
		switch {
		case r.behind:
			return 0, false, errSlow
		case r.offset < end:
			n = copy(p, b.bytes[r.offset-b.start:])
			r.offset += int64(n)
			b.changed.Broadcast()
			return n, r.offset < end || b.err != nil, nil
		case b.err != nil:
			return 0, false, b.err
		case ctx.Err() != nil:
			return 0, false, context.Cause(ctx)
		}
		b.changed.Wait()
	}
}
