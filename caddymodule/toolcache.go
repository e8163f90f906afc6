package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
)

// ToolsCacheConfig is about the shared cache of the tools' responses (RFC 9111). All sites share
// it, so that a tool is asked once for what many readers want.
type ToolsCacheConfig struct {
	// Off makes each request ask the tool. Default: false.
	Off bool `json:"off,omitempty"`

	// Memory bounds the memory of all responses in bytes. Default: 64 MiB.
	Memory int64 `json:"memory,omitempty"`

	// Entries bounds the number of responses. Default: 16384.
	Entries int `json:"entries,omitempty"`

	// Object bounds the body of one response in bytes; larger ones aren't kept. Default: an
	// eighth of Memory.
	Object int64 `json:"object,omitempty"`

	// Heuristic bounds the lifetime of responses that have none of their own: a tenth of the time since
	// they were last modified. Negative is none. Default: 10m.
	Heuristic caddy.Duration `json:"heuristic,omitempty"`
}

// config is what the library is told.
func (c *ToolsCacheConfig) config() cache.Config {
	if c == nil {
		return cache.Config{}
	}
	return cache.Config{MaxBytes: c.Memory, MaxEntries: c.Entries, MaxObject: c.Object, Heuristic: time.Duration(c.Heuristic)}
}

func (c *ToolsCacheConfig) validate() error {
	switch {
	case c == nil:
		return nil
	case c.Off && *c != (ToolsCacheConfig{Off: true}):
		return errors.New("tools_cache is off, and has further options: leave one of them out")
	}
	if err := c.config().Validate(); err != nil {
		return fmt.Errorf("tools_cache: %w", err)
	}
	return nil
}

// toolCaches keep the responses of tools over config reloads.
var toolCaches = pool.New[toolCache]("tool caches")

// toolCache is a cache with what asks tools on schedule, as long as the cache is there.
type toolCache struct {
	*cache.Cache
	refresher *anonproxy.Refresher
}

// Close ends both.
func (c toolCache) Close() error {
	c.refresher.Close()
	c.Cache.Close()
	return nil
}

// openToolCache makes the app's cache, or takes the one before a reload that is configured the same way.
func (t *tools) openCache(a *App, registry prometheus.Registerer) error {
	if a.ToolsCache != nil && a.ToolsCache.Off {
		return nil
	}
	config := a.ToolsCache.config()
	form, err := json.Marshal(config)
	if err != nil {
		return err
	}
	pooled, err := toolCaches.Acquire(&a.held, string(form), pool.Closing(func() (toolCache, error) {
		opened, err := cache.New(config)
		return toolCache{opened, anonproxy.NewRefresher()}, err
	}))
	if err != nil {
		return fmt.Errorf("opening the cache of tools: %w", err)
	}
	t.cache = pooled.Cache
	t.refreshes.refresher = pooled.refresher
	return registry.Register(toolCacheReadings(t.cache))
}

// forget drops a tool's responses: what is stopped, or leads to what is, must not come back with
// them when the stop is taken back.
func (t *tools) forget(tool string) {
	if t.cache != nil {
		t.cache.Purge(tool, "")
		t.refreshes.refresher.Restart(tool)
	}
}

var (
	toolCacheRequests = counter("tool_cache_requests_total",
		"Requests by what the shared cache made of them: hit, stale, miss, coalesced (followed another's), "+
			"revalidated (the tool confirmed it), passed (answers that could not be kept).", "result")
	toolCacheGone    = counter("tool_cache_removed_total", "Answers that left the shared cache: evicted for want of room, or purged.", "reason")
	toolCacheEntries = gauge("tool_cache_entries", "Answers in the shared cache.")
	toolCacheBytes   = gauge("tool_cache_bytes", "Bytes of answers in the shared cache.")
)

// toolCacheReadings are a cache's. Its counters start anew with a cache, that is when its configuration changes.
func toolCacheReadings(cache *cache.Cache) readings {
	return readings{[]reading{toolCacheRequests, toolCacheGone, toolCacheEntries, toolCacheBytes}, func(tell telling) {
		s := cache.Stats()
		for result, n := range s.Requests {
			tell(toolCacheRequests, float64(n), string(result))
		}
		tell(toolCacheGone, float64(s.Evicted), "evicted")
		tell(toolCacheGone, float64(s.Purged), "purged")
		tell(toolCacheEntries, float64(s.Entries))
		tell(toolCacheBytes, float64(s.Bytes))
	}}
}
