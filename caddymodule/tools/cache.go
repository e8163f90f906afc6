package tools

import (
	"encoding/json"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/refresh"
	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/metrics"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
)

// toolCaches keep the responses of tools over config reloads.
var toolCaches = pool.New[toolCache]("tool caches")

// toolCache is a cache with what asks tools on schedule, as long as the cache is there.
type toolCache struct {
	*cache.Cache
	refresher *refresh.Refresher
}

// Close ends both.
func (c toolCache) Close() error {
	c.refresher.Close()
	c.Cache.Close()
	return nil
}

// openCache makes the app's cache, or takes the one before a reload that is configured the same way.
func (t *tools) openCache(a *edge.App, registry prometheus.Registerer) error {
	if a.ToolsCache != nil && a.ToolsCache.Off {
		return nil
	}
	config := a.ToolsCache.Config()
	form, err := json.Marshal(config)
	if err != nil {
		return err
	}
	pooled, err := toolCaches.Acquire(a.Held(), string(form), pool.Closing(func() (toolCache, error) {
		opened, err := cache.New(config)
		return toolCache{opened, refresh.New()}, err
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
	toolCacheRequests = metrics.NewCounter("tool_cache_requests_total",
		"Requests by what the shared cache made of them: hit, stale, miss, coalesced (followed another's), "+
			"revalidated (the tool confirmed it), passed (answers that could not be kept).", "result")
	toolCacheGone    = metrics.NewCounter("tool_cache_removed_total", "Answers that left the shared cache: evicted for want of room, or purged.", "reason")
	toolCacheEntries = metrics.NewGauge("tool_cache_entries", "Answers in the shared cache.")
	toolCacheBytes   = metrics.NewGauge("tool_cache_bytes", "Bytes of answers in the shared cache.")
)

// toolCacheReadings are a cache's. Its counters start anew with a cache, that is when its configuration changes.
func toolCacheReadings(cache *cache.Cache) metrics.Readings {
	return metrics.ReadingsOf(func(tell metrics.Telling) {
		s := cache.Stats()
		for result, n := range s.Requests {
			tell(toolCacheRequests, float64(n), string(result))
		}
		tell(toolCacheGone, float64(s.Evicted), "evicted")
		tell(toolCacheGone, float64(s.Purged), "purged")
		tell(toolCacheEntries, float64(s.Entries))
		tell(toolCacheBytes, float64(s.Bytes))
	}, toolCacheRequests, toolCacheGone, toolCacheEntries, toolCacheBytes)
}
