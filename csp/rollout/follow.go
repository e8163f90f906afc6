package rollout

import (
	"context"
	"time"

	"github.com/wikiveil/wikiveil/masking"
)

// DefaultPoll is how often other nodes' changes are looked for unless configured: a
// rollback is urgent.
const DefaultPoll = 3 * time.Second

// Refresh reads what other nodes have changed. Where it fails, all stays as it is.
func (b *Book) Refresh(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read(ctx)
}

// Follow polls the storage for changes of other nodes, every DefaultPoll if every is 0.
// It returns when ctx ends. The first of several errors on end is reported; report may be nil.
func (b *Book) Follow(ctx context.Context, every time.Duration, report func(error)) {
	if every <= 0 {
		every = DefaultPoll
	}
	masking.Follow(ctx, every, b.Refresh, report)
}
