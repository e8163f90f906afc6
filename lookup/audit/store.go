package audit

import (
	"errors"
	"iter"

	"github.com/wikiveil/wikiveil/internal/openbolt"
)

// A Store holds one log: its records by their sequence, and a state. All bytes are
// the log's; a store does not look into them. A store has one writer.
//
// The one here is [OpenBolt]'s.
type Store interface {
	// Load returns the state, nil for a new log.
	Load() ([]byte, error)
	// Append adds records, the first of which has the given sequence, and replaces the
	// state: durably, and all of it or nothing. There may be no records.
	Append(first uint64, records [][]byte, state []byte) error
	// Prune deletes the records up to a sequence, it included, and replaces the state, likewise.
	Prune(last uint64, state []byte) error
	// View calls fn with a state and the records from a sequence on, all of one moment,
	// in order. What fn is given is good until it returns; it must not change the store.
	View(from uint64, fn func(state []byte, records iter.Seq2[uint64, []byte]) error) error
	Close() error
}

// Errors of a log, for callers to test for.
var (
	// ErrDamaged: the file can't be read as what it should be. It is left as it is.
	ErrDamaged = errors.New("audit log is damaged")
	// ErrInUse: another process has the file open.
	ErrInUse = openbolt.ErrInUse
	// ErrWrongKeys: the log was begun with other keys.
	ErrWrongKeys = errors.New("the keys are not those the audit log was begun with")
	// ErrPruned: what was asked for is older than what is kept.
	ErrPruned = errors.New("entries of that age are no longer kept")
	// ErrClosed: the log was closed.
	ErrClosed = errors.New("audit log is closed")
	// ErrFailed: a write failed in a way that leaves open what the disk holds; nothing
	// is written until the log is opened anew.
	ErrFailed = errors.New("audit log must be opened anew after a failed write")
)
