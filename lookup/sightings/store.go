package sightings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Day is a day in UTC, counted from 1970-01-01.
type Day int32

const secondsPerDay = 24 * 60 * 60

// DayOf returns the day a moment is in.
func DayOf(t time.Time) Day {
	s := t.Unix()
	return Day((s - (s%secondsPerDay+secondsPerDay)%secondsPerDay) / secondsPerDay)
}

// Start is the day's first moment.
func (d Day) Start() time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

// String returns the day as 2006-01-02.
func (d Day) String() string { return d.Start().Format(time.DateOnly) }

// A Part is what one day and one epoch have in the store: the unit that has its own keys and
// that is deleted as a whole.
type Part struct {
	Day   Day
	Epoch string // the epoch's id
}

// String returns the part's name, such as "2026-11-22-0123456789ab". [ParsePart] reads it.
func (p Part) String() string { return p.Day.String() + "-" + p.Epoch }

// ParsePart reads a part's name.
func ParsePart(name string) (Part, error) {
	if len(name) > len(time.DateOnly) && name[len(time.DateOnly)] == '-' {
		epoch := name[len(time.DateOnly)+1:]
		t, err := time.Parse(time.DateOnly, name[:len(time.DateOnly)])
		if p := (Part{DayOf(t), epoch}); err == nil && validEpoch(epoch) && p.String() == name {
			return p, nil
		}
	}
	return Part{}, fmt.Errorf("%q is not the name of a part", name)
}

// Validate refuses parts that could not be named.
func (p Part) Validate() error {
	if again, err := ParsePart(p.String()); err != nil || again != p {
		return fmt.Errorf("part %q can't be named", p.String())
	}
	return nil
}

// An epoch's id is hex; nothing else gets into a file's name.
func validEpoch(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "0123456789abcdef") == ""
}

// Compare orders parts by day, then by epoch.
func (p Part) Compare(o Part) int {
	return cmp.Or(cmp.Compare(p.Day, o.Day), strings.Compare(p.Epoch, o.Epoch))
}

// KeySize is the number of bytes of a [Key].
const KeySize = 16

// A Key finds a client's values within a part. It looks random.
type Key [KeySize]byte

// A Ref is a key in its part.
type Ref struct {
	Part Part
	Key  Key
}

// MaxValue is the most bytes one value may have.
const MaxValue = 1<<16 - 1

// An Entry is one value under a key. A key may have many values.
type Entry struct {
	Ref
	Value []byte
}

// A Store keeps entries. Values are never changed, only added and, with their part, deleted; so
// there is nothing to read before a write, and nodes that share a store can't undo each other's work.
//
// Stores are safe for concurrent use. They see ciphertext only.
type Store interface {
	// Append adds entries. A nil error means that all of them are on disk (or where the
	// operator's configuration says they are safe); after an error any of them may be stored or
	// not. An error must come within seconds, and a later call may succeed without a restart.
	Append(ctx context.Context, entries []Entry) error
	// Find returns all values of the keys, in any order. Keys that have none give nothing.
	Find(ctx context.Context, refs []Ref) ([]Entry, error)
	// Parts returns the parts that have entries, in any order. It may name one whose entries are gone.
	Parts(ctx context.Context) ([]Part, error)
	// Drop deletes a part. One that isn't there is no error.
	Drop(ctx context.Context, part Part) error
	// Incarnation changes when entries that were stored may have been lost, such as when Redis
	// was restarted or flushed: what is known to be durable is known for one incarnation only.
	Incarnation() uint64
	// Close frees what the store holds. Entries are safe without it.
	Close() error
}

// Errors that callers may test for.
var (
	// ErrUnknown: no sighting of the mask is kept: never seen, or longer ago than the retention.
	ErrUnknown = errors.New("mask is unknown: not seen within the retention")
	// ErrEpochDestroyed: no sighting of the mask can be opened, and there are records of epochs
	// whose secret is gone; the mask may be among them, nobody can tell any more.
	ErrEpochDestroyed = errors.New("mask can't be looked up: the key of its time is destroyed")
	// ErrNotMask: what was asked for is not a client's mask.
	ErrNotMask = errors.New("not a client's mask")
	// ErrNotDurable: the sighting could not be stored, so the request must not go on.
	ErrNotDurable = errors.New("sighting could not be stored")
	// ErrUnavailable: the store does not respond.
	ErrUnavailable = errors.New("record store is unavailable")
	// ErrDamaged: a stored value or file is not what was written.
	ErrDamaged = errors.New("record store is damaged")
	// ErrClosed: the store or the recorder was closed.
	ErrClosed = errors.New("closed")
)
