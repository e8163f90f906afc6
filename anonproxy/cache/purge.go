package cache

import (
	"strings"
	"time"
)

// Purge forgets the answers of a tool whose path and query begin with a prefix,
// and returns how many were in memory. What is being fetched goes to those who
// wait for it and isn't stored. An empty tool is every tool, an empty prefix
// everything.
func (c *Cache) Purge(tool, prefix string) int {
	match := matcher(tool, prefix)
	n := c.forget(match)
	if c.disk.Load() != nil {
		c.disk.Load().purge(tool, prefix)
		n += c.forget(match) // that were read from files just before these went
	}
	c.stats.purged.Add(uint64(n))
	return n
}

// PurgeBefore forgets what of a tool was written to disk before a time. It is for the start, when
// nothing is in memory yet: what was to be purged while no process had the directory.
func (c *Cache) PurgeBefore(tool string, end time.Time) {
	if c.disk.Load() != nil {
		c.disk.Load().purgeBefore(tool, end)
	}
}

// Invalidate forgets the answers of keys, which a request that isn't safe may have changed (RFC
// 9111 section 4.4). What is being fetched goes to those who wait for it and isn't stored.
func (c *Cache) Invalidate(keys ...Key) {
	if c.disk.Load() != nil {
		for _, key := range keys {
			c.disk.Load().remove(key)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		if f := c.flights[key]; f != nil {
			f.outdated = true
			delete(c.flights, key)
		}
		if o, ok := c.store.removeIf(key, func(*object) bool { return true }); ok {
			o.body.release()
		}
	}
}

// forget takes answers out of memory and keeps those on their way from coming in.
func (c *Cache) forget(match func(Key) bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	for key := range c.flights {
		if match(key) {
			delete(c.flights, key)
		}
	}
	gone := c.store.removeAll(func(o *object) bool { return match(o.key) })
	for _, o := range gone {
		o.body.release()
	}
	return len(gone)
}

// matcher tells the keys that [Cache.Purge] is about.
func matcher(tool, prefix string) func(Key) bool {
	return func(k Key) bool {
		return (tool == "" || k.Scope.Value().Tool == tool) && strings.HasPrefix(k.url(), prefix)
	}
}
