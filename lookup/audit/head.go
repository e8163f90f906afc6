package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/wikiveil/wikiveil/masking"
)

// Heads hold the newest signed head of one log in another place than its file. A file that was
// put back from a copy is genuine in all it holds; only its head tells that it once was longer.
type Heads interface {
	// Load returns the head that was stored last. The error is [fs.ErrNotExist] if none was.
	Load(ctx context.Context) (Checkpoint, error)
	// Store replaces it, durably.
	Store(ctx context.Context, head Checkpoint) error
}

// headsDir is where nodes keep their heads in a storage. Nobody is shown them: see [Log.Publish].
const headsDir = "wikiveil/audit_heads"

type storageHeads struct {
	storage masking.Storage
	key     string
}

// StorageHeads keeps the head of a node's log in a storage.
func StorageHeads(storage masking.Storage, node string) Heads {
	return storageHeads{storage, path.Join(headsDir, node+".checkpoint")}
}

// Load implements [Heads].
func (h storageHeads) Load(ctx context.Context) (Checkpoint, error) {
	data, err := h.storage.Load(ctx, h.key)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("loading the log's head %s: %w", h.key, err)
	}
	c, err := ParseCheckpoint(data)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: the log's head %s in the storage: %w", ErrDamaged, h.key, err)
	}
	return c, nil
}

// Store implements [Heads].
func (h storageHeads) Store(ctx context.Context, head Checkpoint) error {
	if err := h.storage.Store(ctx, h.key, []byte(head.Note)); err != nil {
		return fmt.Errorf("storing the log's head %s: %w", h.key, err)
	}
	return nil
}

// A headError says that a log doesn't go on from its head. It is an [ErrTampered] or an
// [ErrDamaged], and what [AcceptLoss] can go on from.
type headError struct {
	error
	loss string // what is lost, in a few words
}

func (e *headError) Unwrap() error { return e.error }

func tamperedHead(loss, format string, args ...any) error {
	return &headError{&TamperError{What: fmt.Sprintf(format, args...)}, loss}
}

// loadHead returns the head that the log must go on from, nil if there is none.
func (l *Log) loadHead(ctx context.Context) (*Checkpoint, error) {
	head, err := l.config.Heads.Load(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, ErrDamaged):
		return nil, &headError{err, "its head was damaged"}
	case err != nil:
		return nil, err
	}
	if err := head.Verify(l.config.Keys.Public()); err != nil {
		return nil, tamperedHead("its head was not genuine", "its head in the storage: %v", err)
	}
	return &head, nil
}

// checkHead compares a log with its head. The log may be ahead of it, by what was written before a
// crash; it is never behind. s is nil for a log that is to be begun; there is its chain where it has as
// many entries as the head, nil if those are no longer kept.
func checkHead(head *Checkpoint, s *state, there *chain) error {
	switch {
	case head == nil && s == nil:
		return nil
	case head == nil:
		return tamperedHead("its head was gone", "its head isn't in the storage any more")
	case s == nil && head.Entries == 0: // the crash came before the file
		return nil
	}
	counted := fmt.Sprintf("%d entries, %d of them reveals", head.Entries, head.Reveals)
	switch {
	case s == nil:
		return tamperedHead(counted, "it is gone: its head in the storage counts %s", counted)
	case head.Log != s.id.log:
		return tamperedHead("a log of "+counted, "it is log %v, and its head in the storage is that of log %v of %s", s.id.log, head.Log, counted)
	case head.Entries > s.entries:
		lost := fmt.Sprintf("%d entries, %d of them reveals", head.Entries-s.entries, head.Reveals-min(head.Reveals, s.reveals))
		return tamperedHead(lost, "it is an older copy, of %d entries, %d of them reveals: its head in the storage counts %s", s.entries, s.reveals, counted)
	case there != nil && !head.isOf(*there):
		return tamperedHead("a log of "+counted, "up to entry %d it is another one than its head in the storage counts", head.Entries)
	}
	return nil
}

// ErrNoLoss: the log goes on from its head, so there is nothing to accept.
var ErrNoLoss = errors.New("nothing is lost: the log goes on from its head")

// AcceptLoss has a log that doesn't go on from its head be used all the same, such as one that was
// restored from a backup, or a new one in place of one that is gone. What is lost is written to the log,
// with who accepts it and why, and then the log's head is replaced. Whoever holds a
// checkpoint or receipt of what is lost goes on to see it. The log must not be open; the store is closed.
//
// Errors: those of [Open], which this can't mend, and [ErrNoLoss].
func AcceptLoss(ctx context.Context, c Config, performer, reason string) (loss string, err error) {
	entry := Entry{Performer: performer, Action: Loss, Reason: reason}
	if err := entry.Validate(); err != nil {
		return "", errors.Join(err, c.Store.Close())
	}
	c.accept = true
	l, err := Open(c)
	if err != nil {
		return "", errors.Join(err, c.Store.Close())
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if l.loss == "" {
		return "", ErrNoLoss
	}
	entry.Reason = fmt.Sprintf("lost: %s; %s", l.loss, reason)
	_, err = l.Append(ctx, entry)
	return l.loss, err
}
