package confirm

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
)

// Case 57: a client that sends wrong codes again and again, with one hand-off or many, stops only itself: neither a neighbour,
// nor reveals at its own address.
func TestCase57OneClientStopsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		store := &recordingNonces{Store: kv.NewMemory(1 << 16)}
		s.nonces = store
		f := s.newFlow("exempt", testWiki, testPort)
		busy := 0
		for range 1000 {
			handOff, cookie := s.start(f, "")
			h, err := f.OpenPage(pageRequest(f, handOff, cookie), true)
			if err != nil {
				wantRefusal(t, err, errBusy)
				busy++
				continue
			}
			c, err := f.Ask(h, s.act.Action, s.act.Binding)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(TokenMinAge)
			c.Code = otherCode(c.Code)
			if _, err := s.answer(f, c, cookie); err == nil {
				t.Fatal("a wrong code was taken")
			}
		}
		if store.burnt > Share(0) || busy == 0 {
			t.Errorf("one client burnt %d nonces, and was stopped %d times", store.burnt, busy)
		}
		reveal := s.newFlow("reveal", testWiki, testPort)
		c, cookie := s.ask(reveal)
		time.Sleep(5 * time.Second)
		if _, err := s.answer(reveal, c, cookie); err != nil {
			t.Errorf("another purpose: %v", err)
		}
		s.client = "203.0.113.10"
		ticket, cookie := s.confirm(f)
		_, err := f.Commit(commitRequest(f, ticket, cookie))
		wantRefusal(t, err, nil)

		s.client = "203.0.113.9"
		time.Sleep(TokenLife + clockSkew + time.Millisecond)
		ticket, cookie = s.confirm(f)
		_, err = f.Commit(commitRequest(f, ticket, cookie))
		wantRefusal(t, err, nil)
	})
}

// Case 57: a network of any number of clients stops only itself.
func TestCase57OneNetworkStopsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		store := &recordingNonces{Store: kv.NewMemory(1 << 16)}
		s.nonces = store
		f := s.newFlow("exempt", testWiki, testPort)
		n := 0
		burn := func(near, wide byte) error {
			n++
			groups := []Group{{1, byte(n), byte(n >> 8), byte(n >> 16)}, {2, near}, {3, wide}}
			return f.burn(t.Context(), claims{nonce: Nonce{byte(n), byte(n >> 8), byte(n >> 16)}, issued: time.Now()}, groups, TokenLife)
		}
		for i := range 1 << 15 {
			if err := burn(byte(i%251), 1); err != nil {
				wantRefusal(t, err, errBusy)
			}
		}
		if store.burnt != Share(2) {
			t.Errorf("one network burnt %d nonces, want %d", store.burnt, Share(2))
		}
		wantRefusal(t, burn(252, 2), nil)
	})
}

// Case 57: a hand-off opens a few pages.
func TestCase57AHandOffOpensAFewPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		handOff, cookie := s.start(s.flow, "")
		for i := range 2 * MaxPages {
			_, err := s.flow.OpenPage(pageRequest(s.flow, handOff, cookie), true)
			if i < MaxPages {
				wantRefusal(t, err, nil)
			} else {
				wantRefusal(t, err, errPages)
			}
		}
	})
}
