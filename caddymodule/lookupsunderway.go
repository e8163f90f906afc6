package caddymodule

import (
	"errors"
	"sync"

	"go.uber.org/zap"
)

// underWay counts the requests that use what a config has opened. A reload doesn't wait for them: it ends the
// config while they go on, so what they use is closed by the last of them.
type underWay struct {
	mu      sync.Mutex
	users   int
	endings []func() error // in the order in which they came
}

// begin counts a request; call done when it has ended.
func (u *underWay) begin() (done func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.users++
	return u.done
}

func (u *underWay) done() {
	u.mu.Lock()
	var endings []func() error
	if u.users--; u.users == 0 {
		endings, u.endings = u.endings, nil
	}
	u.mu.Unlock()
	for _, ending := range endings {
		if err := ending(); err != nil {
			pooledLog().Error("closing what a config's last look-up used", zap.Error(err))
		}
	}
}

// end closes at once, or after the last request.
func (u *underWay) end(endings ...func() error) error {
	u.mu.Lock()
	if u.users > 0 {
		u.endings = append(u.endings, endings...)
		u.mu.Unlock()
		return nil
	}
	u.mu.Unlock()
	var errs []error
	for _, ending := range endings {
		errs = append(errs, ending())
	}
	return errors.Join(errs...)
}
