package access

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// of makes a request one of a client.
func of(client string, r *http.Request) *http.Request {
	r.RemoteAddr = "[" + client + "]:0"
	return r
}

// Case 32: one client asks without end with made-up sessions while the wiki takes 0.3 s for each answer. Administrators
// on other clients get theirs, with new sessions and known ones.
func TestCase32OneClientKeepsNobodyWaiting(t *testing.T) {
	var now, most atomic.Int32
	w := startWiki(t, func(rw http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("wiki_session"); err == nil && strings.HasPrefix(c.Value, "made-up") {
			n := now.Add(1)
			defer now.Add(-1)
			for before := most.Load(); n > before && !most.CompareAndSwap(before, n); before = most.Load() {
			}
		}
		time.Sleep(300 * time.Millisecond) // what the wiki takes
		recorded(rw, r)
	})
	m := resolver(t, MediaWikiConfig{API: w.URL, CacheFor: time.Nanosecond}) // so each is asked for
	end := make(chan struct{})
	var flood sync.WaitGroup
	var busy, others atomic.Int32
	for i := range 60 {
		flood.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-end:
					return
				default:
				}
				_, err := m.User(of("2001:2f::bad", visitor(fmt.Sprintf("made-up-%d-%d", i, n))))
				if reasonOf(t, err) == Busy {
					busy.Add(1)
					time.Sleep(10 * time.Millisecond) // or the flood is all there's time for
				} else {
					others.Add(1)
				}
			}
		})
	}
	for others.Load() < maxOfClient || busy.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for round := range 3 {
		for i, session := range []string{"patroller", "checkuser"} {
			if u, err := m.User(of(fmt.Sprintf("2001:2f::%d", i+1), visitor(session))); err != nil || u.Rights == 0 {
				t.Errorf("round %d, %s: %+v, %v", round, session, u, err)
			}
		}
	}
	close(end)
	flood.Wait()
	if n := most.Load(); n > maxOfClient {
		t.Errorf("one client had %d questions at once", n)
	}
	if n := len(m.places.clients); n != 0 {
		t.Errorf("%d clients are remembered", n)
	}
}

// Where many clients take all places there are for unknown sessions, known ones have theirs.
func TestKnownSessionsGoFirst(t *testing.T) {
	held := make(chan struct{})
	w := startWiki(t, func(rw http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("wiki_session"); err == nil && strings.HasPrefix(c.Value, "made-up") {
			<-held
		}
		recorded(rw, r)
	})
	m := resolver(t, MediaWikiConfig{API: w.URL, Timeout: time.Minute, CacheFor: time.Nanosecond})
	if _, err := m.User(of("2001:2f::1", visitor("patroller"))); err != nil {
		t.Fatal(err)
	}
	var flood sync.WaitGroup
	for client := range maxFresh { // three times as many as there are places
		for n := range maxOfClient {
			flood.Go(func() {
				m.User(of(fmt.Sprintf("2001:2f::1:%d", client), visitor(fmt.Sprintf("made-up-%d-%d", client, n))))
			})
		}
	}
	for len(w.questions()) < 1+maxFresh {
		time.Sleep(time.Millisecond)
	}
	for range 3 { // asked for each time
		if _, err := m.User(of("2001:2f::1", visitor("patroller"))); err != nil {
			t.Errorf("a known session: %v", err)
		}
	}
	if n := len(w.questions()); n != 1+maxFresh+3 {
		t.Errorf("%d questions", n)
	}
	close(held)
	flood.Wait()
}

// Made-up sessions push none of those out that were admitted.
func TestMadeUpSessionsPushNobodyOut(t *testing.T) {
	w := startWiki(t, nil)
	m := resolver(t, MediaWikiConfig{API: w.URL, CacheFor: time.Minute})
	if _, err := m.User(visitor("patroller")); err != nil {
		t.Fatal(err)
	}
	for i := range maxCached + 1 {
		m.remember(m.keyOf(fmt.Sprint(i)), cached{refused: Anonymous, until: time.Now().Add(time.Minute)})
	}
	if _, err := m.User(visitor("patroller")); err != nil || len(w.questions()) != 1 {
		t.Errorf("%v, %d questions", err, len(w.questions()))
	}
}
