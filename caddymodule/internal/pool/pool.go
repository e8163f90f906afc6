// Package pool shares what outlives a config. The first to acquire a key makes the value, all that acquire the same key
// share it, and it ends when the last of them has released it. So it goes on over config reloads, where the next config
// is provisioned before the one in use is cleaned up.
//
// What is acquired is noted in a [Held], which is released once, at the end. A pool is a package's variable:
//
//	var lists = pool.New[*List]("lists")
//
//	list, err := lists.Acquire(&app.held, path, pool.Closing(func() (*List, error) { return Open(path) }))
package pool

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// Pool holds the values of one kind, by key.
type Pool[T any] struct{ values *caddy.UsagePool }

// pools are all that were made, by name.
var pools sync.Map

// New makes a pool. The name tells it apart in Left.
func New[T any](name string) Pool[T] {
	p := Pool[T]{caddy.NewUsagePool()}
	pools.Store(name, p.values)
	return p
}

// shared is a value with what it has acquired itself.
type shared[T any] struct {
	value T
	own   Held
}

// Destruct implements caddy.Destructor.
func (s *shared[T]) Destruct() error { return s.own.Release() }

// Acquire returns the value of a key until by is released. If there is none, open makes it; what is added to own ends with the value,
// and at once where open fails.
func (p Pool[T]) Acquire(by *Held, key string, open func(own *Held) (T, error)) (value T, err error) {
	found, _, err := p.values.LoadOrNew(key, func() (caddy.Destructor, error) {
		s := new(shared[T])
		var err error
		if s.value, err = open(&s.own); err != nil {
			return nil, errors.Join(err, s.own.Release())
		}
		return s, nil
	})
	if err != nil {
		return value, err
	}
	by.Add(func() error {
		_, err := p.values.Delete(key)
		return err
	})
	return found.(*shared[T]).value, nil
}

// Closing is the open for Acquire of what must be closed.
func Closing[T io.Closer](open func() (T, error)) func(own *Held) (T, error) {
	return func(own *Held) (T, error) {
		opened, err := open()
		if err == nil {
			own.Add(opened.Close)
		}
		return opened, err
	}
}

// Users is how many have a key's value.
func (p Pool[T]) Users(key string) int {
	users, _ := p.values.References(key)
	return users
}

// All yields the values of now with their keys. One that nobody holds any more may end meanwhile.
func (p Pool[T]) All() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		// Not in Range itself: that holds a lock, and whoever acquires or asks for Users there may wait for it for ever.
		all := make(map[string]T)
		p.values.Range(func(key, value any) bool {
			all[key.(string)] = value.(*shared[T]).value
			return true
		})
		maps.All(all)(yield)
	}
}

// Left tells what somebody has of all pools, or of those with the names; for tests.
func Left(names ...string) (left []string) {
	pools.Range(func(name, pool any) bool {
		if len(names) > 0 && !slices.Contains(names, name.(string)) {
			return true
		}
		values := pool.(*caddy.UsagePool)
		var keys []any
		values.Range(func(key, _ any) bool {
			keys = append(keys, key)
			return true
		})
		for _, key := range keys {
			if users, ok := values.References(key); ok {
				left = append(left, fmt.Sprintf("%s: %v (%d)", name, key, users))
			}
		}
		return true
	})
	return left
}
