package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"
)

const (
	// headTimeout bounds one exchange with the place of the heads, and how long a reveal waits for it.
	headTimeout = 10 * time.Second
	// headDelay is how long after an entry that nobody waits for the head is stored.
	headDelay = 2 * time.Second
	// headRetry is how long after a failure.
	headRetry = 10 * time.Second
)

// ErrHead is the error where the log's head can't be stored, so that the action must be refused.
var ErrHead = errors.New("the log's head can't be stored")

// anchor stores heads, one after the other, so that an older one never comes after a newer.
type anchor struct {
	asked chan chan<- anchored // each waits for a head with its entry
	wrote chan struct{}        // an entry that nobody waits for
	done  chan struct{}

	stored Checkpoint // of the goroutine alone
	force  bool       // replace whatever is there: a loss was accepted
}

type anchored struct {
	head Checkpoint
	err  error
}

func newAnchor() anchor {
	return anchor{asked: make(chan chan<- anchored), wrote: make(chan struct{}, 1), done: make(chan struct{})}
}

// anchorNow returns a head with all that was written until now, once it is stored.
func (l *Log) anchorNow(ctx context.Context) (Checkpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, headTimeout)
	defer cancel()
	answer := make(chan anchored, 1)
	if err := hand(ctx, l, l.anchor.asked, answer); errors.Is(err, ErrClosed) {
		return Checkpoint{}, err
	} else if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrHead, err)
	}
	select {
	case got := <-answer:
		return got.head, got.err
	case <-ctx.Done():
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrHead, ctx.Err())
	}
}

// anchorSoon has the head stored before long.
func (l *Log) anchorSoon() {
	select {
	case l.anchor.wrote <- struct{}{}:
	default:
	}
}

// runAnchor does all storing of heads until the log is closed, then stores the last one.
func (l *Log) runAnchor() {
	defer close(l.anchor.done)
	var due <-chan time.Time
	for {
		select {
		case a := <-l.anchor.asked:
			l.anchorAll(a)
		case <-l.anchor.wrote:
			if due == nil {
				due = time.After(headDelay)
			}
		case <-due:
			due = nil
			if !l.storeUnasked() {
				due = time.After(headRetry)
			}
		case <-l.quit:
			<-l.done // the commit under way
			l.storeUnasked()
			return
		}
	}
}

// storeUnasked stores the head where nobody waits for it. One that tells of a loss is left until the
// loss is in the log.
func (l *Log) storeUnasked() bool {
	if l.anchor.force {
		return true
	}
	_, err := l.storeHead()
	if err != nil {
		l.config.Report(err)
	}
	return err == nil
}

// anchorAll stores one head for all that wait already.
func (l *Log) anchorAll(first chan<- anchored) {
	waiting := gather(first, l.anchor.asked)
	head, err := l.storeHead()
	for _, answer := range waiting {
		answer <- anchored{head, err}
	}
}

// storeHead stores the head as it is now, unless it is stored already.
func (l *Log) storeHead() (Checkpoint, error) {
	head := l.Checkpoint()
	if !l.anchor.force && l.anchor.stored.same(head) {
		return l.anchor.stored, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), headTimeout)
	defer cancel()
	err := l.checkStoredHead(ctx)
	if err == nil {
		err = l.config.Heads.Store(ctx, head)
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrHead, err)
	}
	l.anchor.stored, l.anchor.force = head, false
	return head, nil
}

// checkStoredHead finds out whether somebody else stores heads for this log's node: then an edge with a
// copy of the file runs, and each would take the other's for a log put back. A head that is gone, older or
// damaged is replaced, and said.
func (l *Log) checkStoredHead(ctx context.Context) error {
	if l.anchor.force || l.anchor.stored.Note == "" { // the first: see load
		return nil
	}
	there, err := l.config.Heads.Load(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrDamaged):
		l.config.Report(fmt.Errorf("the log's head was taken out of the storage or damaged there while the log was open; it is stored anew: %w", err))
		return nil
	case err != nil:
		return err
	case there.same(l.anchor.stored):
		return nil
	case there.Verify(l.config.Keys.Public()) != nil:
		l.config.Report(errors.New("the log's head in the storage was replaced by one that isn't genuine; it is stored anew"))
		return nil
	}
	own, err := l.continues(there)
	if err == nil && !own {
		err = fmt.Errorf("another edge stores heads for node %s: was the data directory copied? Stop one of them, and begin a new log there", there.Node)
	}
	return err
}

// continues reports whether the log goes on from a head of some time before. Of those from before what is
// kept nobody can tell.
func (l *Log) continues(head Checkpoint) (own bool, err error) {
	s := l.current.Load()
	switch {
	case head.Log != s.id.log || head.Entries > s.entries:
		return false, nil
	case head.Entries == s.entries:
		return head.isOf(s.chain), nil
	case head.Entries < s.start().entries:
		return true, nil
	}
	at := s.start()
	err = l.records(at.entries, int(min(head.Entries-at.entries, math.MaxInt)), func(r record, data []byte) error {
		at = at.extend(r.action, data, nil)
		return nil
	})
	return err == nil && head.isOf(at), err
}
