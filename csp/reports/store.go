package reports

import (
	"cmp"
	"context"
	"time"
)

const (
	// DefaultKeep is how many days are kept.
	DefaultKeep = 90
	// longestKeep is for how many days counts may have been kept before.
	longestKeep = 10 * 366
)

// SetKeep has counts kept for so many days, [DefaultKeep] if that is 0. What is older goes with the next flush; what is
// written until then still ends as was said before.
func (c *Collector) SetKeep(days int) {
	c.keep.Store(int64(cmp.Or(days, DefaultKeep)))
	c.tidied.Store(0)
}

// Keep returns for how many days counts are kept.
func (c *Collector) Keep() int { return int(c.keep.Load()) }

// forget deletes once a day the days that are older than is kept, by the latest time that has passed for sure: they may have been
// written while more was kept.
func (c *Collector) forget(ctx context.Context) error {
	today := c.config.Passed()
	before := c.tidied.Swap(dayNumber(today))
	if before == dayNumber(today) {
		return nil
	}
	var old []string
	for n := c.Keep(); n < longestKeep; n++ {
		old = append(old, dayName(today.AddDate(0, 0, -n)))
	}
	err := c.config.Store.Delete(ctx, old...)
	if err != nil {
		c.tidied.Store(before)
	}
	return err
}

func dayNumber(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// expiry is when a day is forgotten by itself.
func (c *Collector) expiry(day string) time.Time {
	date, _ := time.Parse(time.DateOnly, day) // of dayName
	return date.AddDate(0, 0, c.Keep())
}

// load returns the stored days from first to last.
func (c *Collector) load(ctx context.Context, first, last time.Time) (map[string][]byte, error) {
	now := time.Now()
	if oldest := now.AddDate(0, 0, -longestKeep); first.Before(oldest) {
		first = oldest
	}
	if newest := now.AddDate(0, 0, 1); last.After(newest) {
		last = newest
	}
	var names []string
	for day, end := first.UTC(), dayName(last); dayName(day) <= end; day = day.AddDate(0, 0, 1) {
		names = append(names, dayName(day))
	}
	return c.config.Store.Get(ctx, names...)
}
