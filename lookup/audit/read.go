package audit

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"iter"
	"time"
)

// page is how many records are read at a time, so that a slow reader holds up nobody.
const page = 256

// PublicKey returns the key that the log's checkpoints are verified with.
func (l *Log) PublicKey() ed25519.PublicKey { return l.config.Keys.Public() }

// NodeOf returns the name of the node whose log a store holds, "" for a new one.
func NodeOf(store Store) (string, error) {
	data, err := store.Load()
	if err != nil || data == nil {
		return "", err
	}
	s, err := decodeState(data)
	if err != nil {
		return "", err
	}
	return s.id.node, nil
}

// Checkpoint signs how far the log has come just now. What is shown to the public
// is [Log.Publish]'s.
func (l *Log) Checkpoint() Checkpoint {
	s := l.current.Load()
	c := s.checkpoint(s.chain)
	c.Time = time.Now()
	return c.signed(l.config.Keys)
}

// Publish returns the checkpoint to show to the public: the one published last, or a
// new one if that is older than every. The interval should be long, such as a day:
// attackers who see the count rise as they edit know that they were looked up. The
// checkpoint is kept in the log, so that a restart tells nothing either.
func (l *Log) Publish(ctx context.Context, every time.Duration) (Checkpoint, error) {
	if c := l.current.Load().published; c != nil && isFresh(c, every) {
		return *c, nil
	}
	var out Checkpoint
	err := l.do(ctx, func() error {
		s := *l.current.Load()
		if s.published == nil || !isFresh(s.published, every) {
			c := l.Checkpoint()
			s.published = &c
			err := l.store(s, func(data []byte) error { return l.config.Store.Append(s.entries+1, nil, data) })
			if err != nil {
				return err
			}
		}
		out = *s.published
		return nil
	})
	if err != nil {
		return Checkpoint{}, fmt.Errorf("publishing a checkpoint: %w", err)
	}
	return out, nil
}

// isFresh: one from the future, when the clock was wrong, is not.
func isFresh(c *Checkpoint, every time.Duration) bool {
	age := time.Since(c.Time)
	return age >= 0 && age < every
}

// Entries yields the entries after a sequence, decrypted. It ends with the first error.
// Only those with the right to read the audit may see them.
func (l *Log) Entries(ctx context.Context, after uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		id := l.current.Load().id
		for {
			entries := make([]Entry, 0, page)
			err := l.records(after, page, func(r record, _ []byte) error {
				e, err := l.config.Keys.decrypt(id, r)
				entries = append(entries, e)
				return err
			})
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("reading the audit log: %w", err))
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
				after = e.Sequence
			}
			if len(entries) < page {
				return
			}
		}
	}
}

func (l *Log) records(after uint64, limit int, visit func(record, []byte) error) error {
	select {
	case <-l.quit:
		return ErrClosed
	default:
	}
	return l.config.Store.View(after+1, func(_ []byte, records iter.Seq2[uint64, []byte]) error {
		for n, data := range records {
			if limit--; limit < 0 {
				return nil
			}
			r, err := decodeRecord(data)
			if err == nil {
				err = visit(r, data)
			}
			if err != nil {
				return fmt.Errorf("entry %d: %w", n, err)
			}
		}
		return nil
	})
}

// Verify verifies the whole log while it is in use, content included, against its head and
// checkpoints published before; see the function [Verify].
func (l *Log) Verify(checkpoints ...Checkpoint) (Report, error) {
	select {
	case <-l.quit:
		return Report{}, ErrClosed
	default:
	}
	return Verify(l.config.Store, VerifyOptions{Keys: l.config.Keys, Heads: l.config.Heads, Checkpoints: checkpoints})
}
