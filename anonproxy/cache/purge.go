package cache

import (
	"strings"
)

// Purge forgets the answers of a tool whose path and query begin with a prefix,
// and returns how many there were. What is being fetched goes to those who
// wait for it and isn't stored. An empty tool is every tool, an empty prefix
// everything.
func (c *Cache) Purge(tool, prefix string) int {
	match := func(k Key) bool {
		return (tool == "" || k.Scope.Value().Tool == tool) && strings.HasPrefix(k.url(), prefix)
	}
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
	c.stats.purged.Add(uint64(len(gone)))
	return len(gone)
}

// Invalidate forgets the answers of keys, which a request that isn't safe may have changed (RFC
// 9111 section 4.4). What is being fetched goes to those who wait for it and isn't stored.
func (c *Cache) Invalidate(keys ...Key) {
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
