package followed

import (
	"context"
	"time"
)

// timeout bounds one look, such as an exchange with a storage, its lock included.
const timeout = 30 * time.Second

// Every calls refresh, which reads what others have changed or writes for them, every so often until ctx ends. The
// first of several errors on end is reported; report may be nil.
func Every(ctx context.Context, every time.Duration, refresh func(context.Context) error, report func(error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		limited, cancel := context.WithTimeout(ctx, timeout)
		err := refresh(limited)
		cancel()
		if err != nil && !failing && ctx.Err() == nil && report != nil {
			report(err)
		}
		failing = err != nil
	}
}
