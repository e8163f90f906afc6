package access

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// How many questions the wiki is asked at once, and how many of one client's with sessions that are
// not known are under way, and wait or are under way.
const (
	maxKnown    = 8
	maxFresh    = 24
	maxOfClient = 3
	maxWaiting  = 12
)

// errBusy: a client asks too much at once.
var errBusy = errors.New("too many questions of one client at once")

// places bound the questions that the wiki is asked at once, so that one client with made-up sessions keeps nobody
// waiting: sessions that were admitted lately have places of their own, and of the others each client has a share.
type places struct {
	known, fresh chan struct{}

	mu      sync.Mutex
	clients map[string]*share // those with questions under way or waiting
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
		return nil, fmt.Errorf("too many questions at once: %w", ctx.Err())
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
