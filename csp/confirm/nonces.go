package confirm

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Nonce makes a token or a ticket count once.
type Nonce [16]byte

// Nonces remembers the nonces that were used. Several nodes need one that they
// share; flows of all purposes may share one too.
type Nonces interface {
	// Burn records the nonce until it expires, for the groups that ask for it, the client first, then ever wider
	// networks. It is [ErrUsed] for one that was burnt before, [ErrBusy] if one of the groups has its [Share]
	// of nonces that have not expired, [ErrFull] if there is no room, and [ErrExpired] if the store
	// can't tell any more, as for one issued before the store existed. With any
	// error the request is refused; one that is no [Refusal] becomes [ErrStore].
	//
	// Of two calls at once with the same nonce at most one returns nil. No nonce is ever
	// dropped before it expires, least of all to make room.
	Burn(ctx context.Context, n Nonce, groups []Group, issued, expires time.Time) error
}

// Share is how many nonces a group may have burnt that have not expired, by its place: a client, then ever wider
// networks. A confirmation takes two or three, of which one is kept for ten minutes.
func Share(place int) int {
	shares := [...]int{100, 800, 4096}
	return shares[min(place, len(shares)-1)]
}

// MemoryNonces is for a single node. It forgets everything when the process ends,
// and refuses what was issued before it began.
type MemoryNonces struct {
	max     int
	started time.Time

	mu     sync.Mutex
	used   map[Nonce]struct{}
	groups map[Group]int // how many of them are a group's
	next   expiries
	// forgotten is the latest expiry among what was dropped. A clock that was put
	// back would make those good again.
	forgotten time.Time
}

// NewMemoryNonces returns an empty store of at most max nonces, about 400 bytes
// each. Only what this server signed is burnt, at most twice a confirmation,
// so max divided by 20 minutes is about the rate it bears.
func NewMemoryNonces(max int) *MemoryNonces {
	// Times of issue are in milliseconds.
	return &MemoryNonces{max: max, started: time.Now().Truncate(time.Millisecond), used: make(map[Nonce]struct{}), groups: make(map[Group]int)}
}

// Burn implements [Nonces].
func (m *MemoryNonces) Burn(_ context.Context, n Nonce, groups []Group, issued, expires time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(time.Now())
	if issued.Before(m.started) || !expires.After(m.forgotten) {
		return ErrExpired
	}
	if _, ok := m.used[n]; ok {
		return ErrUsed
	}
	for place, group := range groups {
		if m.groups[group] >= Share(place) {
			return ErrBusy
		}
	}
	if len(m.used) >= m.max {
		return ErrFull
	}
	m.used[n] = struct{}{}
	for _, group := range groups {
		m.groups[group]++
	}
	heap.Push(&m.next, expiry{expires, n, groups})
	return nil
}

func (m *MemoryNonces) forget(now time.Time) {
	for len(m.next) > 0 && m.next[0].at.Before(now) {
		gone := heap.Pop(&m.next).(expiry)
		delete(m.used, gone.nonce)
		for _, group := range gone.groups {
			if m.groups[group]--; m.groups[group] == 0 {
				delete(m.groups, group)
			}
		}
		m.forgotten = gone.at
	}
}

type expiry struct {
	at     time.Time
	nonce  Nonce
	groups []Group
}

// expiries is a heap, the soonest first.
type expiries []expiry

func (e expiries) Len() int           { return len(e) }
func (e expiries) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e expiries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *expiries) Push(x any)        { *e = append(*e, x.(expiry)) }

func (e *expiries) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	*e = (*e)[:last]
	return x
}

var _ Nonces = (*MemoryNonces)(nil)
