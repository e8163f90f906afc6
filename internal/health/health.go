// Package health knows which of the edge's stores work: each says in the log once that it is down and
// why, and once that it works again, and all are counted by one metric.
package health

import (
	"context"
	"log/slog"
	"sync"
)

var (
	mu    sync.Mutex
	parts = make(map[*Part]struct{})
)

// A Part is a store that may be down while the rest of the edge goes on. It is safe for concurrent use.
type Part struct {
	name, effect string
	log          *slog.Logger

	mu  sync.Mutex
	err error
}

// Watch begins to count a store, which is up at first. Name is its metric label; effect is what doesn't work
// while it is down. A nil log is told nothing.
func Watch(name, effect string, log *slog.Logger) *Part {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &Part{name: name, effect: effect, log: log}
	mu.Lock()
	defer mu.Unlock()
	parts[p] = struct{}{}
	return p
}

// Close ends the counting.
func (p *Part) Close() {
	mu.Lock()
	defer mu.Unlock()
	delete(parts, p)
}

// Set says that the store works (nil) or why it doesn't.
func (p *Part) Set(err error) { p.SetAt(slog.LevelError, err) }

// SetAt is Set with the level of what it logs where the store was up.
func (p *Part) SetAt(level slog.Level, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.err
	p.err = err
	switch {
	case was == nil && err != nil:
		p.log.Log(context.Background(), level, "store is down: "+p.effect, "store", p.name, "error", err)
	case was != nil && err == nil:
		p.log.Info("store works again", "store", p.name)
	}
}

// Err is why the store is down, or nil.
func (p *Part) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Up returns the stores by name. Of several with one name all must be up.
func Up() map[string]bool {
	mu.Lock()
	defer mu.Unlock()
	up := make(map[string]bool, len(parts))
	for p := range parts {
		before, seen := up[p.name]
		up[p.name] = p.Err() == nil && (before || !seen)
	}
	return up
}
