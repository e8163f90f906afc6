package confirm

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryNonces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemoryNonces(2)
		start := time.Now()
		burn := func(n byte, issued, expires time.Duration, want *Refusal) {
			t.Helper()
			wantRefusal(t, m.Burn(t.Context(), Nonce{n}, []Group{{n}}, start.Add(issued), start.Add(expires)), want)
		}
		burn(1, 0, 10*time.Minute, nil)
		burn(1, 0, 10*time.Minute, ErrUsed)
		burn(2, 0, time.Minute, nil)
		burn(3, 0, time.Minute, ErrFull) // and drops nothing to make room:
		burn(1, 0, 10*time.Minute, ErrUsed)
		burn(2, 0, time.Minute, ErrUsed)

		time.Sleep(time.Minute)
		burn(3, 0, 2*time.Minute, ErrFull) // the second counts until it expires
		time.Sleep(time.Nanosecond)
		burn(3, time.Minute, 2*time.Minute, nil)
		burn(1, 0, 10*time.Minute, ErrUsed)

		// As if the clock had been put back: what was dropped stays refused.
		burn(2, 0, time.Minute, ErrExpired)

		time.Sleep(time.Hour)
		burn(4, 30*time.Minute, 2*time.Hour, nil)
		if len(m.used) != 1 || len(m.next) != 1 || len(m.groups) != 1 {
			t.Errorf("it holds %d and %d nonces of one, and %d groups", len(m.used), len(m.next), len(m.groups))
		}
	})
}

// After a restart nobody knows what was used before it.
func TestARestartMakesNoTokenGoodAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		c, cookie := s.ask(s.flow)
		time.Sleep(5 * time.Second)
		if _, err := s.answer(s.flow, c, cookie); err != nil {
			t.Fatal(err)
		}
		s.nonces = NewMemoryNonces(100)
		_, err := s.answer(s.newFlow("exempt", testWiki, testPort), c, cookie)
		wantRefusal(t, err, ErrExpired)
	})
}

func TestAFullStoreFailsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.nonces = NewMemoryNonces(2) // the page and the answer
		f := s.newFlow("exempt", testWiki, testPort)
		ticket, cookie := s.confirm(f)
		_, err := f.Commit(commitRequest(f, ticket, cookie))
		wantRefusal(t, err, ErrFull)
	})
}

// brokenNonces is a store whose server is gone.
type brokenNonces struct{ err error }

func (b brokenNonces) Burn(context.Context, Nonce, []Group, time.Time, time.Time) error {
	return b.err
}

func TestABrokenStoreFailsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("connection refused")
		s := newScene(t)
		s.nonces = brokenNonces{gone}
		f := s.newFlow("exempt", testWiki, testPort)
		handOff, cookie := s.start(f, "")
		_, err := f.OpenPage(pageRequest(f, handOff, cookie), true)
		wantRefusal(t, err, ErrStore)
		form, cookie := s.ask(s.flow) // opened while the store was there
		time.Sleep(5 * time.Second)
		_, err = s.answer(f, form, cookie)
		wantRefusal(t, err, ErrStore)
		if !errors.Is(err, gone) {
			t.Errorf("%v hides its cause", err)
		}
	})
}

// recordingNonces tells what the flow asks of a store.
type recordingNonces struct{ issued, expires time.Time }

func (b *recordingNonces) Burn(_ context.Context, _ Nonce, _ []Group, issued, expires time.Time) error {
	b.issued, b.expires = issued, expires
	return nil
}

func TestNoncesAreRememberedLongerThanTheyCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		store := &recordingNonces{}
		s.nonces = store
		f := s.newFlow("exempt", testWiki, testPort)
		begun := time.Now()
		ticket, cookie := s.confirm(f)
		if !store.issued.Equal(begun) || store.expires.Sub(begun) != TokenLife+clockSkew {
			t.Errorf("a token issued %v ago is kept for %v", begun.Sub(store.issued), store.expires.Sub(begun))
		}
		begun = time.Now()
		if _, err := f.Commit(commitRequest(f, ticket, cookie)); err != nil {
			t.Fatal(err)
		}
		if !store.issued.Equal(begun) || store.expires.Sub(begun) != TicketLife+clockSkew {
			t.Errorf("a ticket issued %v ago is kept for %v", begun.Sub(store.issued), store.expires.Sub(begun))
		}
	})
}

// Twenty answers to one page at once: one counts.
func TestAnswersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		c, cookie := s.ask(s.flow)
		time.Sleep(5 * time.Second)
		var taken, used atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				switch _, err := s.answer(s.flow, c, cookie); {
				case err == nil:
					taken.Add(1)
				case errors.Is(err, ErrUsed):
					used.Add(1)
				}
			})
		}
		all.Wait()
		if taken.Load() != 1 || used.Load() != 19 {
			t.Errorf("%d were taken, %d refused as used", taken.Load(), used.Load())
		}
	})
}
