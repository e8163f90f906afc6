package cache

import (
	"sync"
	"sync/atomic"
)

// pool bounds the bytes of all bodies: stored, arriving, and evicted ones that slow
// readers still hold.
type pool struct {
	max   int64
	used  atomic.Int64
	evict func(tool string) bool // takes one of a tool's answers out of the store, if there is one

	mu    sync.RWMutex
	tools map[string]*budget
}

// budget is a tool's part of a pool. It has no size of its own: as long as there is
// room a tool may take all of it. Where there is none, it gets what those have who hold
// more than it does, or gives up answers of its own. So no tool, however much is asked
// of it, pushes out the answers of one that holds less.
type budget struct {
	pool *pool
	tool string
	used atomic.Int64
}

// of returns a tool's budget.
func (p *pool) of(tool string) *budget {
	p.mu.RLock()
	b := p.tools[tool]
	p.mu.RUnlock()
	if b != nil {
		return b
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if b = p.tools[tool]; b == nil {
		b = &budget{pool: p, tool: tool}
		if p.tools == nil {
			p.tools = make(map[string]*budget)
		}
		p.tools[tool] = b
	}
	return b
}

// reserve takes n bytes, for which it evicts what it may.
func (b *budget) reserve(n int64) bool {
	for {
		used := b.pool.used.Load()
		switch {
		case used+n <= b.pool.max:
			if b.pool.used.CompareAndSwap(used, used+n) {
				b.used.Add(n)
				return true
			}
		case n > b.pool.max || !b.makeRoom():
			return false
		}
	}
}

func (b *budget) release(n int64) {
	b.used.Add(-n)
	b.pool.used.Add(-n)
}

// makeRoom evicts one answer: of the tool that holds most, if there is one, of those that
// hold more than this one, which comes last.
func (b *budget) makeRoom() bool {
	for limit := int64(-1); ; {
		victim, holds := b, b.used.Load()
		b.pool.mu.RLock()
		for _, other := range b.pool.tools {
			if n := other.used.Load(); n > holds && (limit < 0 || n < limit) {
				victim, holds = other, n
			}
		}
		b.pool.mu.RUnlock()
		if b.pool.evict(victim.tool) {
			return true
		}
		if victim == b {
			return false
		}
		limit = holds // it has nothing that is stored: the next
	}
}
