package anonproxy

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// slotWait bounds how long a request waits for its turn.
const slotWait = 5 * time.Second

// slots bound what goes on at one time. As many again may wait for their turn.
type slots struct {
	free    *semaphore.Weighted
	size    int
	waiting atomic.Int64
}

func newSlots(size int) *slots { return &slots{free: semaphore.NewWeighted(int64(size)), size: size} }

// enter takes a slot; leave gives it back.
func (s *slots) enter(ctx context.Context) bool {
	if s.free.TryAcquire(1) {
		return true
	}
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > int64(s.size) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, slotWait)
	defer cancel()
	return s.free.Acquire(ctx, 1) == nil
}

func (s *slots) leave() { s.free.Release(1) }
