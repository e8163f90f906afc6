package noticeboard

import (
	"cmp"
	"context"
	"time"

	"github.com/wikiveil/wikiveil/internal/followed"
)

// DefaultPoll is how often a live board looks at its file and at the shared state.
const DefaultPoll = 3 * time.Second

// LeftOutError tells of an entry of the file that is left out, as it can't be used.
type LeftOutError struct{ err error }

func (e *LeftOutError) Error() string { return e.err.Error() }

// Unwrap returns what is wrong with the entry.
func (e *LeftOutError) Unwrap() error { return e.err }

// Follow takes over changes of the file and what other nodes did, every
// DefaultPoll if every is 0, and publishes what is new. It returns when ctx ends.
// Of several equal failures on end the first is reported; report may be nil.
func (l *Live) Follow(ctx context.Context, every time.Duration, report func(error)) {
	followed.Every(ctx, cmp.Or(every, DefaultPoll), func(ctx context.Context) error {
		// The file goes first: what it disables must not wait for the storage.
		if news, err := l.refreshFile(); news && report != nil {
			if err != nil {
				report(err)
			} else {
				for _, left := range l.Status().LeftOut {
					report(&LeftOutError{left})
				}
			}
		}
		return l.refreshState(ctx)
	}, report)
}

func (l *Live) refreshFile() (news bool, err error) {
	if l.source == nil {
		return false, nil
	}
	return l.source.refresh(l.use)
}

func (l *Live) refreshState(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	err := l.state.Refresh(ctx)
	l.mu.Lock()
	l.stateErr = err
	unpublished := l.unpublished
	l.mu.Unlock()
	if err != nil {
		return err
	}
	v := l.view()
	if unpublished || v.uncounted() {
		return l.Publish(ctx)
	}
	if now := time.Now(); v.justExpired(now) {
		return l.state.update(ctx, func(b *stateBody) error {
			b.expire(v.declared, v.contents, now)
			return nil
		})
	}
	return nil
}

func (v *liveView) uncounted() bool {
	for _, e := range v.entries {
		if !e.counted {
			return true
		}
	}
	return false
}

// justExpired finds an expiry that isn't in the log.
func (v *liveView) justExpired(now time.Time) bool {
	for tool := range v.declared.All() {
		known := v.state.body.Tools[tool.Name]
		if tool.expired(now) && !known.Expired && known.Content == v.contents[tool.Name] {
			return true
		}
	}
	return false
}
