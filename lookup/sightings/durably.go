package sightings

import (
	"context"
	"errors"
	"fmt"
)

// RecordDurably records a sighting of a request that can publish, and returns nil only when the client has a record on
// disk (or wherever the store's configuration says it is safe), and its networks' indexes lead to it. Many callers at
// once share one transaction. A client already known to be durable costs nothing, but for its first such request of a
// day. The error is ErrNotDurable; it comes within the timeout, and the next call may succeed.
func (b *Recorder) RecordDurably(ctx context.Context, s Sighting) error {
	if err := b.refuse(s); err != nil {
		return fmt.Errorf("%w: %w", ErrNotDurable, err)
	}
	c := b.known.get(s.Mask)
	if _, published := c.durable(s.part(), b.config.Store.Incarnation()); published {
		c.seeAgain(s.part(), clock(s.Time))
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, b.config.Timeout, errors.New("the store is too slow"))
	defer cancel()
	for {
		// What is known to be stored is known of this incarnation: should the store be lost meanwhile, all is done again.
		incarnation := b.config.Store.Incarnation()
		known, _ := c.durable(s.part(), incarnation)
		if err := b.storeUnder(ctx, incarnation, s, c, known); err != nil {
			return fmt.Errorf("%w: %w", ErrNotDurable, err)
		}
		if b.config.Store.Incarnation() != incarnation {
			continue
		}
		if known {
			c.seeAgain(s.part(), clock(s.Time))
		}
		return nil
	}
}

// storeUnder stores what is not known to be in an incarnation of the store: all, or of a client whose record is known that it published.
func (b *Recorder) storeUnder(ctx context.Context, incarnation uint64, s Sighting, c *client, known bool) error {
	makeJob := b.firstJob
	if known {
		makeJob = b.publishedJob
	}
	j, err := makeJob(s, c, incarnation)
	if err != nil {
		return err
	}
	if len(j.entries) == 0 {
		j.settle(nil)
		return nil
	}
	return b.await(ctx, j)
}

// firstJob stores the record of a client that none is known of.
func (b *Recorder) firstJob(s Sighting, c *client, incarnation uint64) (job, error) {
	day := s.part().Day
	if err := b.tally.take(day, s.Addr, false); err != nil {
		b.over.Add(1)
		return job{}, err
	}
	failed := func() { b.tally.giveBack(day, s.Addr) }
	j, err := b.wholeJob(s, c, incarnation, memberPublished, failed)
	if err != nil {
		failed()
	}
	return j, err
}

// wholeJob stores a client's record, and files it under its networks.
func (b *Recorder) wholeJob(s Sighting, c *client, incarnation uint64, kind byte, failed func()) (job, error) {
	v, ob, client, err := b.prepare(s, kind)
	if err != nil {
		return job{}, err
	}
	n, err := b.observer.note(s, ob)
	if err != nil {
		return job{}, err
	}
	m := b.index.file(v, client, ob, incarnation)
	return job{
		entries: append(m.entries, v.lock(v.ref(s.Mask), n)),
		settle: func(err error) {
			m.settle(err)
			if err != nil {
				failed()
				return
			}
			b.writeAgain(c.stored(v, incarnation, kind == memberPublished))
		},
	}, nil
}

// publishedJob notes with the networks of a client whose record is stored that it published, too.
func (b *Recorder) publishedJob(s Sighting, c *client, incarnation uint64) (job, error) {
	v, ob, client, err := b.prepare(s, memberPublished)
	if err != nil {
		return job{}, err
	}
	m := b.index.file(v, client, ob, incarnation)
	return job{
		entries: m.entries,
		settle: func(err error) {
			if m.settle(err); err == nil {
				c.didPublish(v.part, incarnation)
			}
		},
	}, nil
}

// prepare returns where a sighting is kept, what is to be told of its address, and its client as its networks have it.
func (b *Recorder) prepare(s Sighting, kind byte) (*vault, *observation, member, error) {
	v, err := b.vaults.get(s.Site.epoch, s.Site.day(s.Time))
	if err != nil {
		return nil, nil, member{}, err
	}
	ob, err := b.observer.observe(s)
	if err != nil {
		return nil, nil, member{}, err
	}
	client, err := s.member(ob, kind)
	return v, ob, client, err
}

// await hands a job to the committer and waits until it is settled.
func (b *Recorder) await(ctx context.Context, j job) error {
	done := make(chan error, 1)
	j.done = done
	var err error
	select {
	case b.commits.urgent <- j:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-b.commits.stopped:
		err = ErrClosed
	}
	if err != nil {
		j.settle(err)
		return err
	}
	select {
	case err = <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-b.commits.stopped:
		select {
		case err = <-done: // it was settled before
		default:
			err = ErrClosed
		}
	}
	return err
}
