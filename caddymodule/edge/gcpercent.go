package edge

import (
	"os"
	"runtime/debug"

	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
)

// gcPercent is by how much the heap of an edge grows before garbage is collected, in percent of what is in use. Go's own 100 suits programs
// with large heaps; that of an edge is small, and most of what it allocates ends with its request.
const gcPercent = 400

// gcPercents has one value while a config with the app has started: the percentage before.
var gcPercents = pool.New[int]("gc percent")

// collectLess sets the process's GC percentage until held is released. What the environment says in GOGC wins.
func collectLess(held *pool.Held) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	_, err := gcPercents.Acquire(held, "process", func(own *pool.Held) (int, error) {
		before := debug.SetGCPercent(gcPercent)
		own.Add(func() error {
			debug.SetGCPercent(before)
			return nil
		})
		return before, nil
	})
	return err
}
