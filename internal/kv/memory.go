package kv

import (
	"context"
	"slices"
	"sync"
	"time"
)

// sweepEvery is how seldom a store in memory looks for what has ended.
const sweepEvery = time.Second

type memory struct {
	max   int
	began time.Time

	mu      sync.Mutex
	entries map[string]*memoryEntry
	latest  time.Time // a clock that is put back makes nothing good again
	swept   time.Time
}

type memoryEntry struct {
	value   []byte
	count   int
	expires time.Time
}

// NewMemory returns an empty store of at most max keys, some 200 bytes each, that forgets all when the process ends.
func NewMemory(max int) Store {
	// Times that tokens were issued at are in milliseconds.
	return &memory{max: max, began: time.Now().Truncate(time.Millisecond), entries: make(map[string]*memoryEntry)}
}

// now returns the time. The caller holds m.mu.
func (m *memory) now() time.Time {
	if now := time.Now().Round(0); now.After(m.latest) {
		m.latest = now
	}
	return m.latest
}

// at returns what is kept under a key, nil if nothing is. The caller holds m.mu.
func (m *memory) at(key string, now time.Time) *memoryEntry {
	if e := m.entries[key]; e != nil && e.expires.After(now) {
		return e
	}
	return nil
}

// room makes room for so many more keys. The caller holds m.mu.
func (m *memory) room(more int, now time.Time) error {
	if now.Sub(m.swept) >= sweepEvery {
		m.swept = now
		for key, e := range m.entries {
			if !e.expires.After(now) {
				delete(m.entries, key)
			}
		}
	}
	if len(m.entries)+more > m.max {
		return ErrFull
	}
	return nil
}

// Get implements [Store].
func (m *memory) Get(ctx context.Context, keys ...string) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found, now := make(map[string][]byte), m.now()
	for _, key := range keys {
		if e := m.at(key, now); e != nil {
			found[key] = slices.Clone(e.value)
		}
	}
	return found, ctx.Err()
}

// Update implements [Store].
func (m *memory) Update(ctx context.Context, key string, expires time.Time, change func([]byte) ([]byte, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	var old []byte
	if e := m.at(key, now); e != nil {
		old = e.value
	}
	value, err := change(old)
	if err != nil || value == nil {
		return err
	}
	if m.entries[key] == nil {
		if err := m.room(1, now); err != nil {
			return err
		}
	}
	m.entries[key] = &memoryEntry{value: slices.Clone(value), expires: expires}
	return nil
}

// Add implements [Store].
func (m *memory) Add(ctx context.Context, n int, to ...Counter) ([]int, int, error) {
	if err := ctx.Err(); err != nil {
		return nil, -1, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	counts, more := make([]int, len(to)), 0
	for i, c := range to {
		if !c.Expires.After(now) || !c.Since.IsZero() && c.Since.Before(m.began) {
			return nil, -1, ErrForgot
		}
		if e := m.at(c.Key, now); e != nil {
			counts[i] = e.count
		}
		if m.entries[c.Key] == nil {
			more++
		}
	}
	if over := over(n, counts, to); over >= 0 || n == 0 {
		return counts, over, nil
	}
	if err := m.room(more, now); err != nil {
		return nil, -1, err
	}
	for i, c := range to {
		e := m.at(c.Key, now)
		if e == nil {
			e = &memoryEntry{expires: c.Expires}
			m.entries[c.Key] = e
		}
		e.count += n
		counts[i] = e.count
	}
	return counts, -1, nil
}

// Delete implements [Store].
func (m *memory) Delete(ctx context.Context, keys ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		delete(m.entries, key)
	}
	return ctx.Err()
}

// Sweep implements [Store].
func (m *memory) Sweep(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.swept = time.Time{}
	_ = m.room(0, m.now()) // nothing more is to be put in
	return ctx.Err()
}

// Close implements [Store].
func (m *memory) Close() error { return nil }
