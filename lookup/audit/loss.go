package audit

import (
	"context"
	"errors"
	"fmt"
)

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
