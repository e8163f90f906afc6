package confirm

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// After a restart nobody knows what was used before it.
func TestARestartMakesNoTokenGoodAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		c, cookie := s.ask(s.flow)
		time.Sleep(5 * time.Second)
		if _, err := s.answer(s.flow, c, cookie); err != nil {
			t.Fatal(err)
		}
		s.nonces = kv.NewMemory(100)
		_, err := s.answer(s.newFlow("exempt", testWiki, testPort), c, cookie)
		wantRefusal(t, err, ErrExpired)
	})
}

func TestAFullStoreFailsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.nonces = kv.NewMemory(4) // the page, the answer, and the counts of the client and its network
		f := s.newFlow("exempt", testWiki, testPort)
		ticket, cookie := s.confirm(f)
		_, err := f.Commit(commitRequest(f, ticket, cookie))
		wantRefusal(t, err, errFull)
	})
}

// brokenNonces is a store whose server is gone.
type brokenNonces struct {
	kv.Store
	err error
}

func (b brokenNonces) Add(context.Context, int, ...kv.Counter) ([]int, int, error) {
	return nil, -1, b.err
}

func TestABrokenStoreFailsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("connection refused")
		s := newScene(t)
		s.nonces = brokenNonces{err: gone}
		f := s.newFlow("exempt", testWiki, testPort)
		handOff, cookie := s.start(f, "")
		_, err := f.OpenPage(pageRequest(f, handOff, cookie), true)
		wantRefusal(t, err, errStore)
		form, cookie := s.ask(s.flow) // opened while the store was there
		time.Sleep(5 * time.Second)
		_, err = s.answer(f, form, cookie)
		wantRefusal(t, err, errStore)
		if !errors.Is(err, gone) {
			t.Errorf("%v hides its cause", err)
		}
	})
}

// recordingNonces tells what the flow asks of a store.
type recordingNonces struct {
	kv.Store
	issued, expires time.Time
	burnt           int
}

func (b *recordingNonces) Add(ctx context.Context, n int, to ...kv.Counter) ([]int, int, error) {
	b.issued, b.expires = to[0].Since, to[0].Expires
	counts, over, err := b.Store.Add(ctx, n, to...)
	if over < 0 && err == nil {
		b.burnt += n
	}
	return counts, over, err
}

func TestNoncesAreRememberedLongerThanTheyCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		store := &recordingNonces{Store: kv.NewMemory(100)}
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

// Case 57.
func TestSharesOfAClientAndItsNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.nonces = kv.NewMemory(1 << 16)
		f := s.newFlow("exempt", testWiki, testPort)
		burn := func(nonce Nonce, want *refusal.Refusal, groups ...Group) {
			t.Helper()
			wantRefusal(t, f.burn(t.Context(), claims{nonce: nonce, issued: time.Now()}, groups, TokenLife), want)
		}
		next := uint32(0)
		fresh := func() Nonce {
			next++
			return Nonce{1: byte(next >> 8), 2: byte(next)}
		}
		network := Group{0xff}
		for range Share(0) {
			burn(fresh(), nil, Group{1}, network)
		}
		burn(fresh(), errBusy, Group{1}, network)
		burn(fresh(), errBusy, Group{1}, Group{0xfe})
		burn(Nonce{2: 1}, ErrUsed, Group{1}, network)
		for i := Share(0); i < Share(1); i++ {
			burn(fresh(), nil, Group{2, byte(i), byte(i >> 8)}, network)
		}
		burn(fresh(), errBusy, Group{3}, network)
		burn(fresh(), nil, Group{3}, Group{0xfe})
		burn(fresh(), nil)
		for i := range len(Nonce{}) { // all of a nonce counts
			n := Nonce{0: 1}
			n[i] ^= 0x80
			burn(n, nil)
		}
		time.Sleep(TokenLife + clockSkew)
		burn(fresh(), nil, Group{1}, network)
	})
}
