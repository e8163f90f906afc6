package sightings

import (
	"context"
	"errors"
	"fmt"
	"time"
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
	known, published := c.durable(s.part(), clock(s.Time), b.config.Store.Incarnation())
	if published {
		return nil
	}
	prepare := b.firstJob
	if known {
		prepare = b.publishedJob
	}
	j, err := prepare(s, c)
	if err == nil && len(j.entries) > 0 {
		err = b.await(ctx, j)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotDurable, err)
	}
	return nil
}

// firstJob stores the record of a client that none is known of.
func (b *Recorder) firstJob(s Sighting, c *client) (job, error) {
	day := s.part().Day
	if err := b.tally.take(day, s.Addr, false); err != nil {
		b.over.Add(1)
		return job{}, err
	}
	failed := func() { b.tally.giveBack(day, s.Addr) }
	j, err := b.wholeJob(s, c, memberPublished, failed)
	if err != nil {
		failed()
	}
	return j, err
}

// wholeJob stores a client's record, and files it under its networks.
func (b *Recorder) wholeJob(s Sighting, c *client, kind byte, failed func()) (job, error) {
	v, err := b.vaults.get(s.Site.epoch, s.Site.day(s.Time))
	if err != nil {
		return job{}, err
	}
	ob, err := b.observer.observe(s)
	if err != nil {
		return job{}, err
	}
	n, err := b.observer.note(s, ob)
	if err != nil {
		return job{}, err
	}
	client, err := s.member(ob, kind)
	if err != nil {
		return job{}, err
	}
	m := b.index.file(v, client, ob, b.config.Store.Incarnation())
	return job{
		entries: append(m.entries, v.lock(v.ref(s.Mask), n)),
		settle: func(incarnation uint64, err error) {
			m.settle(incarnation, err)
			if err != nil {
				failed()
				return
			}
			b.writeAgain(c.stored(v, incarnation, kind == memberPublished))
		},
	}, nil
}

// publishedJob notes with the networks of a client whose record is stored that it published, too.
func (b *Recorder) publishedJob(s Sighting, c *client) (job, error) {
	v, err := b.vaults.get(s.Site.epoch, s.Site.day(s.Time))
	if err != nil {
		return job{}, err
	}
	ob, err := b.observer.observe(s)
	if err != nil {
		return job{}, err
	}
	client, err := s.member(ob, memberPublished)
	if err != nil {
		return job{}, err
	}
	m := b.index.file(v, client, ob, b.config.Store.Incarnation())
	return job{
		entries: m.entries,
		settle: func(incarnation uint64, err error) {
			if m.settle(incarnation, err); err == nil {
				c.didPublish(v.part, incarnation)
			}
		},
	}, nil
}

// await hands a job to the committer and waits until it is settled.
func (b *Recorder) await(ctx context.Context, j job) error {
	done := make(chan error, 1)
	j.done = done
	deadline := time.NewTimer(b.config.Timeout)
	defer deadline.Stop()
	var err error
	select {
	case b.commits.urgent <- j:
	case <-deadline.C:
		err = errors.New("the store is too slow")
	case <-ctx.Done():
		err = ctx.Err()
	case <-b.commits.stopped:
		err = ErrClosed
	}
	if err != nil {
		j.settle(0, err)
		return err
	}
	select {
	case err = <-done:
	case <-deadline.C:
		err = errors.New("the store is too slow")
	case <-ctx.Done():
		err = ctx.Err()
	case <-b.commits.stopped:
		select {
		case err = <-done: // it was settled before
		default:
			err = ErrClosed
		}
	}
	return err
}
