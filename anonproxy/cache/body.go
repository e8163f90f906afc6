package cache

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"sort"
	"sync"
	"sync/atomic"
)

// Sizes of a body's blocks, in bytes.
const (
	firstBlock = 4 << 10
	maxBlock   = 256 << 10
)

// body is a response body, arriving or whole, in blocks that never move. Of a
// body that isn't to be stored only a window is kept: what its slowest reader
// hasn't got yet, and the tool waits for him.
type body struct {
	budget *budget
	whole  atomic.Bool  // nothing changes any more
	refs   atomic.Int64 // users, see acquire

	mu      sync.Mutex
	blocks  [][]byte
	starts  []int64 // of the blocks
	size    int64   // that has arrived
	held    int64   // bytes counted in the budget
	err     error   // how it ended, io.EOF if well
	hash    hash.Hash
	keep    bool // to be stored
	readers map[*reader]struct{}
	arrived chan struct{} // closed at each change that readers wait for
	moved   chan struct{} // closed when a reader moves or leaves; nil if nobody waits for it
}

// newBody returns an empty body with one user. Where it is to be stored, it counts
// the cost of its entry too.
func newBody(bound *budget, keep bool, cost int64) *body {
	b := &body{budget: bound, hash: sha256.New(), readers: make(map[*reader]struct{}), arrived: make(chan struct{})}
	if b.keep = keep && bound.reserve(cost); b.keep {
		b.held = cost
	}
	b.acquire()
	return b
}

// reader is one reader's place in an arriving body.
type reader struct{ offset int64 }

// room is what is left of the last block.
func (b *body) room() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.blocks); n > 0 {
		last := b.blocks[n-1]
		return last[len(last):cap(last)]
	}
	return nil
}

// nextBlock is the size of the next block, of a body of which so much is left to
// come, or -1 where nobody knows.
func nextBlock(size, left int64) int64 {
	switch {
	case left >= 0:
		return max(1, min(left, maxBlock)) // one byte, to see the end
	case size > 0:
		return min(max(size, firstBlock), maxBlock)
	}
	return firstBlock
}

// reserve takes a block's bytes from the budget. Where they aren't to be had, the
// body is no longer to be stored.
func (b *body) reserve(n int64) bool {
	ok := b.budget.reserve(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	if ok {
		b.held += n
	} else {
		b.keep = false
	}
	return ok
}

// extend adds a block.
func (b *body) extend(n int64) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blocks, b.starts = append(b.blocks, make([]byte, 0, n)), append(b.starts, b.size)
	return b.blocks[len(b.blocks)-1][:n]
}

// put takes the n bytes that were read into what grow returned.
func (b *body) put(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := b.blocks[len(b.blocks)-1]
	grown := last[:len(last)+n]
	b.hash.Write(grown[len(last):])
	b.blocks[len(b.blocks)-1] = grown
	b.size += int64(n)
	b.wake()
}

func (b *body) wake() {
	close(b.arrived)
	b.arrived = make(chan struct{})
}

// end says that nothing more comes. A body to be stored that came whole is trimmed
// to its size, and complete is called before anybody can see that it is whole.
func (b *body) end(err error, complete func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	if b.keep && err == io.EOF {
		b.trim()
		complete()
		b.whole.Store(true)
	}
	b.wake()
}

// trim gives back the unused end of the last block, where that is much.
func (b *body) trim() {
	n := len(b.blocks)
	if n == 0 {
		return
	}
	last := b.blocks[n-1]
	if len(last) == 0 {
		b.blocks, b.starts = b.blocks[:n-1], b.starts[:n-1]
	}
	if spare := int64(cap(last) - len(last)); len(last) > 0 && spare > firstBlock/4 {
		b.blocks[n-1] = append(make([]byte, 0, len(last)), last...)
		spare = min(spare, b.held)
		b.held -= spare
		b.budget.release(spare)
	}
}

// stop says that the body is not to be stored after all.
func (b *body) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep = false
}

func (b *body) kept() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keep
}

// join adds a reader and user, while nothing has been forgotten yet.
func (b *body) join(r *reader) {
	b.acquire()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readers[r] = struct{}{}
}

// move notes how far a reader has got.
func (b *body) move(r *reader, offset int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.offset = offset
	b.signal()
}

// leave forgets a reader and tells whether nobody is left who needs more of it.
func (b *body) leave(r *reader) (needless bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.readers, r)
	b.signal()
	return len(b.readers) == 0 && !b.keep
}

func (b *body) signal() {
	if b.moved != nil {
		close(b.moved)
		b.moved = nil
	}
}

// at returns what there is from an offset on, a block at most, and waits for it
// if it must. The bytes are not to be changed.
func (b *body) at(ctx context.Context, offset int64) ([]byte, error) {
	if b.whole.Load() {
		return b.view(offset)
	}
	for {
		b.mu.Lock()
		part, err := b.view(offset)
		arrived := b.arrived
		b.mu.Unlock()
		if part != nil || err != nil {
			return part, err
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (b *body) view(offset int64) ([]byte, error) {
	if offset >= b.size {
		return nil, b.err
	}
	if len(b.blocks) == 0 || offset < b.starts[0] {
		return nil, errSlow
	}
	i := len(b.blocks) - 1
	if offset < b.starts[i] {
		i = sort.Search(len(b.starts), func(i int) bool { return b.starts[i] > offset }) - 1
	}
	return b.blocks[i][offset-b.starts[i]:], nil
}

// acquire counts a user: the fetch, the store and each reader; release lets go. When
// the last does, the body's bytes are given back to the budget.
func (b *body) acquire() { b.refs.Add(1) }

func (b *body) release() {
	if b.refs.Add(-1) > 0 {
		return
	}
	b.mu.Lock()
	held := b.held
	b.held = 0
	b.mu.Unlock()
	b.budget.release(held)
}

// drained tells whether a reader has got all that has arrived.
func (b *body) drained(offset int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return offset >= b.size && b.err == nil
}
