package sightings

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// maxBatch bounds a transaction, in jobs: about 2 MB.
const maxBatch = 4096

// A job is entries on their way to the store. Settle, if any, is called with
// the outcome, then done is told.
type job struct {
	entries []Entry
	settle  func(err error)
	done    chan<- error // with room for one; nil: nobody waits
}

// committer is the one writer: while a transaction is under way, the next one's
// entries gather, so the batches grow with the load and nobody waits for a timer.
type committer struct {
	store  Store
	log    *slog.Logger
	urgent chan job // somebody waits
	calm   chan job

	flushes chan chan struct{} // each is closed when what was queued is written
	finish  chan struct{}      // closed: write what is queued, then stop
	stopped chan struct{}

	written, failed atomic.Uint64
	failing         atomic.Bool
}

func newCommitter(store Store, log *slog.Logger) *committer {
	c := &committer{
		store: store, log: log,
		urgent: make(chan job, maxBatch), calm: make(chan job, maxBatch),
		flushes: make(chan chan struct{}), finish: make(chan struct{}), stopped: make(chan struct{}),
	}
	go c.run()
	return c
}

// flush returns when what is queued is settled.
func (c *committer) flush() {
	done := make(chan struct{})
	c.flushes <- done
	<-done
}

func (c *committer) close() {
	close(c.finish)
	<-c.stopped
}

func (c *committer) run() {
	defer close(c.stopped)
	jobs := make([]job, 0, maxBatch)
	entries := make([]Entry, 0, maxBatch)
	for {
		jobs = jobs[:0]
		select {
		case j := <-c.urgent:
			jobs = append(jobs, j)
		case j := <-c.calm:
			jobs = append(jobs, j)
		case done := <-c.flushes:
			c.drain(jobs, entries)
			close(done)
			continue
		case <-c.finish:
			c.drain(jobs, entries)
			return
		}
		jobs = c.gather(jobs)
		c.commit(jobs, entries)
		clear(jobs) // lets go of the values
	}
}

// drain writes what is queued. Once the store fails, the rest would only take its time to fail too.
func (c *committer) drain(jobs []job, entries []Entry) {
	for failed := false; ; {
		if jobs = c.gather(jobs[:0]); len(jobs) == 0 {
			return
		}
		if failed {
			settle(jobs, ErrUnavailable)
			continue
		}
		c.commit(jobs, entries)
		failed = c.failing.Load()
	}
}

// gather adds what is queued, what somebody waits for first.
func (c *committer) gather(jobs []job) []job {
	for _, queue := range []chan job{c.urgent, c.calm} {
		for more := true; more && len(jobs) < maxBatch; {
			select {
			case j := <-queue:
				jobs = append(jobs, j)
			default:
				more = false
			}
		}
	}
	return jobs
}

func (c *committer) commit(jobs []job, entries []Entry) {
	entries = entries[:0]
	for _, j := range jobs {
		entries = append(entries, j.entries...)
	}
	err := c.store.Append(context.Background(), entries)
	n := uint64(len(jobs))
	switch {
	case err != nil:
		c.failed.Add(n)
		if !c.failing.Load() {
			c.log.Error("record store fails: requests that can publish are refused", "error", err)
		}
	default:
		c.written.Add(n)
		if c.failing.Load() {
			c.log.Info("record store works again")
		}
	}
	c.failing.Store(err != nil)
	settle(jobs, err)
	clear(entries)
}

func settle(jobs []job, err error) {
	for _, j := range jobs {
		if j.settle != nil {
			j.settle(err)
		}
		if j.done != nil {
			j.done <- err
		}
	}
}
