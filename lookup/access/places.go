package access

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// How many requests are sent to the wiki at once.
const (
	maxKnown    = 8  // for sessions that were admitted lately
	maxFresh    = 24 // for all others
	maxOfClient = 3  // of those, for one client
	maxWaiting  = 12 // for one client, with those that wait
)

// errBusy: a client has too many requests at once.
var errBusy = errors.New("too many requests of one client at once")

// places bound the requests that are sent to the wiki at once. One client with made-up sessions keeps nobody waiting:
// sessions that were admitted lately have places of their own, and each client has its share of the others.
type places struct {
	known, fresh chan struct{}

	mu      sync.Mutex
	clients map[string]*share // those with requests under way or waiting
}

type share struct {
	running chan struct{}
	waiting int // or running
}

func newPlaces() *places {
	return &places{known: make(chan struct{}, maxKnown), fresh: make(chan struct{}, maxFresh), clients: make(map[string]*share)}
}

// take waits for a place, for a session that was admitted lately or for any other of a client. Give it back by leave.
func (p *places) take(ctx context.Context, client string, known bool) (leave func(), err error) {
	if known {
		return enter(ctx, p.known)
	}
	own, err := p.join(client)
	if err != nil {
		return nil, err
	}
	leaveShare, err := enter(ctx, own.running)
	if err != nil {
		p.part(client, own)
		return nil, err
	}
	leaveFresh, err := enter(ctx, p.fresh)
	if err != nil {
		leaveShare()
		p.part(client, own)
		return nil, err
	}
	return func() {
		leaveFresh()
		leaveShare()
		p.part(client, own)
	}, nil
}

func enter(ctx context.Context, places chan struct{}) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("too many requests at once: %w", ctx.Err())
	}
}

func (p *places) join(client string) (*share, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.clients[client]
	if own == nil {
		own = &share{running: make(chan struct{}, maxOfClient)}
		p.clients[client] = own
	}
	if own.waiting == maxWaiting {
		return nil, errBusy
	}
	own.waiting++
	return own, nil
}

func (p *places) part(client string, own *share) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if own.waiting--; own.waiting == 0 {
		delete(p.clients, client)
	}
}
