package edge

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/caddymodule/internal/metrics"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/internal/trustedclock"
)

// clockEvery is how often the clock is compared with what other nodes stored.
const clockEvery = time.Minute

// clocks are in use over config reloads, by storage.
var clocks = pool.New[*Clock]("clocks")

// Clock is the time that a storage's nodes go by.
type Clock struct {
	*trustedclock.Keeper
	once    sync.Once
	end     func()                // of following; nil: no config has started with it
	failure atomic.Pointer[error] // of the last look; nil: none
}

// openClock returns the storage's clock. Nothing is written yet.
func openClock(ctx caddy.Context, held *pool.Held) (*Clock, error) {
	storage := StorageOf(ctx)
	return clocks.Acquire(held, StorageKey(storage), func(own *pool.Held) (*Clock, error) {
		opening, cancel := context.WithTimeout(context.Background(), StorageTimeout)
		defer cancel()
		opened, err := trustedclock.Open(opening, storage)
		if err != nil {
			return nil, err
		}
		clock := &Clock{Keeper: opened}
		own.Add(clock.close)
		return clock, nil
	})
}

// start has the clock kept from now on.
func (c *Clock) start() {
	c.once.Do(func() {
		c.end = InBackground(func(ctx context.Context) {
			for {
				c.tend(ctx)
				select {
				case <-ctx.Done():
					return
				case <-time.After(clockEvery):
				}
			}
		})
	})
}

func (c *Clock) tend(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, StorageTimeout)
	defer cancel()
	err := c.Tend(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	if err == nil {
		if c.failure.Swap(nil) != nil {
			Log().Info("the clock is confirmed")
		}
		return
	}
	if c.failure.Swap(&err) == nil {
		Log().Error("the clock isn't confirmed", zap.Error(err))
	}
}

func (c *Clock) close() error {
	c.once.Do(func() {}) // nothing starts any more
	if c.end != nil {
		c.end()
	}
	return nil
}

var clockUnconfirmed = metrics.NewGauge("clock_unconfirmed", "1 where this machine's clock is far from the newest time known, so that nothing is deleted or rotated by it.")

func clockReadings(clock *Clock) metrics.Readings {
	return metrics.ReadingsOf(func(tell metrics.Telling) { tell(clockUnconfirmed, metrics.Truth(!clock.Status().Confirmed)) }, clockUnconfirmed)
}

const (
	adminClock        = "/wikiveil/clock"
	adminConfirmClock = "/wikiveil/clock/confirm"
)

func init() {
	HandleAdmin(adminClock, showClock, http.MethodGet)            // whether this machine's clock is believed
	HandleAdmin(adminConfirmClock, confirmClock, http.MethodPost) // confirms it
}

// clockResponse is how the clock stands.
type clockResponse struct {
	Now       time.Time `json:"now"`
	Machine   time.Time `json:"machine"`
	Confirmed bool      `json:"confirmed"`
	Why       string    `json:"why,omitempty"`
}

func showClock(app *App, w http.ResponseWriter, r *http.Request) error {
	return writeClock(w, app.clock)
}

func confirmClock(app *App, w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), StorageTimeout)
	defer cancel()
	if err := app.clock.Confirm(ctx); err != nil {
		return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
	}
	app.logger.Warn("an operator confirmed the clock", zap.Time("time", app.clock.Now()))
	app.clock.tend(ctx)
	return writeClock(w, app.clock)
}

func writeClock(w http.ResponseWriter, clock *Clock) error {
	status := clock.Status()
	answer := clockResponse{Now: status.Now, Machine: status.Wall, Confirmed: status.Confirmed}
	if err := status.Err(); err != nil {
		answer.Why = err.Error()
	}
	return admin.WriteJSON(w, answer)
}
