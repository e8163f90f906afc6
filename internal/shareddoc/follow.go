package shareddoc

import (
	"context"
	"time"
)

// followTimeout bounds one exchange with the storage, its lock included.
const followTimeout = 30 * time.Second

// Follow calls refresh, which reads what other nodes have stored, every so often until ctx ends. The
// first of several errors on end is reported; report may be nil.
func Follow(ctx context.Context, every time.Duration, refresh func(context.Context) error, report func(error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		limited, cancel := context.WithTimeout(ctx, followTimeout)
		err := refresh(limited)
		cancel()
		if err != nil && !failing && ctx.Err() == nil && report != nil {
			report(err)
		}
		failing = err != nil
	}
}
