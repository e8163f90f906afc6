package blocks

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/wikiveil/wikiveil/masking"
)

// DefaultPoll is how often other nodes' changes are looked for unless configured.
const DefaultPoll = 10 * time.Second

// Refresh reads what other nodes have changed. Where it fails, the list stays as it is.
func (l *List) Refresh(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read(ctx)
}

// Follow polls the storage for changes of other nodes, every DefaultPoll if every is 0,
// and deletes what has long expired. It returns when ctx ends. The first of several
// errors on end is reported; report may be nil.
func (l *List) Follow(ctx context.Context, every time.Duration, report func(error)) {
	if every <= 0 {
		every = DefaultPoll
	}
	masking.Follow(ctx, every, l.poll, report)
}

func (l *List) poll(ctx context.Context) error {
	if err := l.Refresh(ctx); err != nil {
		return err
	}
	now := l.clock.Passed()
	if slices.ContainsFunc(l.current.Load().blocks, func(b Block) bool { return outlived(b, now) }) {
		return l.update(ctx, func(map[netip.Addr]Block) {})
	}
	return nil
}
