package reports

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// flush writes now and then, and logs that the store began or ceased to fail.
func (c *Collector) flush(ctx context.Context) error {
	err := c.Flush(ctx)
	stopping := errors.Is(ctx.Err(), context.Canceled)
	switch {
	case err != nil && !c.failing && !stopping:
		c.config.Log.Error("CSP reports can't be written, counting on in memory", "error", err)
	case err == nil && c.failing:
		c.config.Log.Info("CSP reports are written again")
	}
	c.failing = err != nil
	return err
}

// Flush writes to the store what was counted since the last time. Where it fails,
// the next one writes it.
func (c *Collector) Flush(ctx context.Context) error {
	c.flushing.Lock()
	defer c.flushing.Unlock()
	// What was tried before goes as it was: the store may have it already.
	if err := c.write(ctx); err != nil {
		return err
	}
	c.cut(time.Now())
	return c.write(ctx)
}

// cut makes what was counted until now pending.
func (c *Collector) cut(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if views := c.views.Swap(0); views > 0 {
		c.today(now).views.add(hourOf(now.Unix()), views)
	}
	if enforced := c.enforced.Swap(0); enforced > 0 {
		c.today(now).enforced.add(hourOf(now.Unix()), enforced)
	}
	for name, d := range c.current {
		c.sequence++
		c.pending = append(c.pending, pending{name, c.sequence, d})
	}
	// By sequence and day: the older day first.
	slices.SortFunc(c.pending, func(a, b pending) int { return strings.Compare(a.name, b.name) })
	c.current = make(map[string]*day)
}

func (c *Collector) write(ctx context.Context) error {
	if err := c.forget(ctx); err != nil {
		return err
	}
	for len(c.pending) > 0 {
		p := c.pending[0]
		err := c.config.Store.Update(ctx, p.name, c.expiry(p.name), func(old []byte) ([]byte, error) {
			d, err := c.decode(p.name, old)
			if err != nil || !d.mergeOnce(c.writer, p.sequence, time.Now(), p.day) {
				return nil, err
			}
			return d.encode()
		})
		if err != nil {
			return err
		}
		c.pending = c.pending[1:]
	}
	c.pending = nil
	return nil
}
