// Package noncetest checks that a store of nonces keeps to [confirm.Nonces].
package noncetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

// Run checks a store that open makes, an empty one each time.
func Run(t *testing.T, open func(*testing.T) confirm.Nonces) {
	// A store may refuse what was issued in its first moments, so the times are ahead.
	issued := time.Now().Add(time.Minute)
	expires := issued.Add(10 * time.Minute)

	t.Run("a nonce counts once", func(t *testing.T) {
		store := open(t)
		for i, step := range []struct {
			nonce byte
			want  error
		}{{1, nil}, {1, confirm.ErrUsed}, {2, nil}, {1, confirm.ErrUsed}, {2, confirm.ErrUsed}, {0, nil}, {0, confirm.ErrUsed}} {
			if err := store.Burn(t.Context(), confirm.Nonce{step.nonce}, nil, issued, expires); !errors.Is(err, step.want) || (err == nil) != (step.want == nil) {
				t.Errorf("step %d, nonce %d: got %v, want %v", i, step.nonce, err, step.want)
			}
		}
	})
	t.Run("all of a nonce counts", func(t *testing.T) {
		store := open(t)
		for i := range len(confirm.Nonce{}) {
			n := confirm.Nonce{}
			n[i] = 0x80
			if err := store.Burn(t.Context(), n, nil, issued, expires); err != nil {
				t.Errorf("byte %d: %v", i, err)
			}
		}
	})
	t.Run("what was issued before the store can't be told", func(t *testing.T) {
		store := open(t)
		if err := store.Burn(t.Context(), confirm.Nonce{1}, nil, time.Now().Add(-time.Hour), expires); !errors.Is(err, confirm.ErrExpired) {
			t.Errorf("got %v, want %v", err, confirm.ErrExpired)
		}
	})
	t.Run("of many at once one is burnt", func(t *testing.T) {
		store := open(t)
		for round := range 5 {
			var burnt, used atomic.Int32
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					switch err := store.Burn(t.Context(), confirm.Nonce{byte(round)}, nil, issued, expires); {
					case err == nil:
						burnt.Add(1)
					case errors.Is(err, confirm.ErrUsed):
						used.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			all.Wait()
			if burnt.Load() != 1 || used.Load() != 19 {
				t.Errorf("%d were burnt, %d used", burnt.Load(), used.Load())
			}
		}
	})
	// Case 57.
	t.Run("a client and its networks have a share each", func(t *testing.T) {
		store := open(t)
		next := uint32(0)
		burn := func(want error, groups ...confirm.Group) {
			t.Helper()
			next++
			err := store.Burn(t.Context(), confirm.Nonce{1: byte(next >> 8), 2: byte(next)}, groups, issued, expires)
			if !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Fatalf("nonce %d: got %v, want %v", next, err, want)
			}
		}
		network := confirm.Group{0xff}
		for range confirm.Share(0) {
			burn(nil, confirm.Group{1}, network)
		}
		burn(confirm.ErrBusy, confirm.Group{1}, network)
		burn(confirm.ErrBusy, confirm.Group{1}, confirm.Group{0xfe})
		if err := store.Burn(t.Context(), confirm.Nonce{2: 1}, []confirm.Group{{1}, network}, issued, expires); !errors.Is(err, confirm.ErrUsed) {
			t.Errorf("one that was used: %v", err)
		}
		for i := confirm.Share(0); i < confirm.Share(1); i++ {
			burn(nil, confirm.Group{2, byte(i), byte(i >> 8)}, network)
		}
		burn(confirm.ErrBusy, confirm.Group{3}, network)
		burn(nil, confirm.Group{3}, confirm.Group{0xfe})
		burn(nil)
	})
}
