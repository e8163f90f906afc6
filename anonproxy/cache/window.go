package cache

import (
	"context"
	"errors"
	"time"
)

const (
	// window is what is kept of a body that isn't to be stored, in bytes, and
	// windowBlock what is read of it at once. Both are outside of the budget.
	window      = 2 * windowBlock
	windowBlock = 32 << 10

	// patience is how long one reader may hold up others who are ahead of him.
	patience = 10 * time.Second
)

var (
	errNobody = errors.New("nobody waits for the answer any more")
	errSlow   = errors.New("the reader was too slow for the others")
)

// slide forgets what every reader has got and waits until little is left. Who
// keeps others waiting for too long is left behind.
func (b *body) slide(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		if len(b.readers) == 0 {
			return errNobody
		}
		low, high := b.size, int64(0)
		for r := range b.readers {
			low, high = min(low, r.offset), max(high, r.offset)
		}
		for len(b.blocks) > 0 && b.starts[0]+int64(len(b.blocks[0])) <= low {
			given := min(b.held, int64(cap(b.blocks[0])))
			b.held -= given
			b.budget.release(given)
			b.blocks, b.starts = b.blocks[1:], b.starts[1:]
		}
		if len(b.blocks) == 0 || b.size-b.starts[0] < window {
			return nil
		}
		b.moved = make(chan struct{})
		moved := b.moved
		b.mu.Unlock()
		var err error
		select {
		case <-moved:
		case <-limit.C:
			limit.Reset(patience)
			b.mu.Lock()
			b.leaveBehind(low, high)
			continue
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		b.mu.Lock()
		if err != nil {
			return err
		}
	}
}

func (b *body) leaveBehind(low, high int64) {
	for r := range b.readers {
		if r.offset <= low && low < high {
			delete(b.readers, r)
		}
	}
}
