// Package trustedclock tells the time that may be gone by where something can't be taken back: an epoch that starts, a
// secret, a block or a record that is deleted. The machine's own clock may be years off for a while: before it is
// set over the network, after a change of batteries, or by a slip of an administrator.
//
// It knows the newest time that was right: from the storage, which all nodes write it to, and from its own past, which the
// machine's monotonic clock carries on. A clock within [Near] of it is believed; one within [Far] once it has gone
// steadily for [Steady]; any other only when an operator confirms it. Until then time goes on from the newest that was right.
package trustedclock

import (
	"fmt"
	"sync"
	"time"
)

// How far a clock may be from the newest time that was right.
const (
	// Near is believed at once: a restart, a night off, a suspended machine.
	Near = 24 * time.Hour
	// Far is believed once the clock has gone steadily for Steady.
	Far    = 30 * 24 * time.Hour
	Steady = time.Hour
	// jump is a step of the clock that no correction of its speed makes.
	jump = time.Minute
)

// A Clock is one process's view of the time. It is safe for concurrent use.
type Clock struct {
	read func() (wall time.Time, elapsed time.Duration)

	mu     sync.Mutex
	ref    time.Time     // a time that was right
	refAt  time.Duration // elapsed then
	step   time.Time     // wall minus elapsed at the last look
	steady time.Duration // elapsed since the clock was last set
	stored time.Time     // as the storage has it
}

// New returns a clock that knows nothing older: it believes the machine's.
func New() *Clock {
	start := time.Now()
	return NewFrom(func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0).UTC(), now.Sub(start)
	})
}

// NewFrom is New with another source of the time than the machine: of the wall clock, and of one that only goes forward.
func NewFrom(read func() (wall time.Time, elapsed time.Duration)) *Clock {
	c := &Clock{read: read}
	c.ref, c.refAt = read()
	c.step, c.steady = c.ref.Add(-c.refAt), c.refAt
	return c
}

// Status is how the machine's clock stands.
type Status struct {
	// Now is what the edge goes by; Wall is what the machine's clock says.
	Now, Wall time.Time
	// Confirmed reports whether they are the same.
	Confirmed bool
	// Wait is how long until the clock is believed by itself; 0 where an operator has to confirm it.
	Wait time.Duration
}

// Err is why the machine's clock isn't believed, or nil.
func (s Status) Err() error {
	if s.Confirmed {
		return nil
	}
	way := "set it right, or confirm it with `wikiveil clock confirm`"
	if s.Wait > 0 {
		way = fmt.Sprintf("set it right; if it stays so it is believed in %v, or at once with `wikiveil clock confirm`", s.Wait.Round(time.Minute))
	}
	return fmt.Errorf("this machine's clock says %s, the newest time known to be right is %s; nothing is deleted or rotated by it: %s",
		s.Wall.Format(time.RFC3339), s.Now.Format(time.RFC3339), way)
}

// Status looks at the clock.
func (c *Clock) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.look()
}

func (c *Clock) look() Status {
	wall, elapsed := c.read()
	step := wall.Add(-elapsed)
	if apart(step, c.step) > jump {
		c.steady = elapsed
	}
	c.step = step
	known := c.ref.Add(elapsed - c.refAt)
	off := apart(wall, known)
	if off > Near && (off > Far || elapsed-c.steady < Steady) {
		s := Status{Now: known, Wall: wall}
		if off <= Far {
			s.Wait = Steady - (elapsed - c.steady)
		}
		return s
	}
	c.ref, c.refAt = wall, elapsed
	return Status{Now: wall, Wall: wall, Confirmed: true}
}

// Now is the time that the edge goes by.
func (c *Clock) Now() time.Time { return c.Status().Now }

// Passed is the latest time that has passed for sure: what is to be deleted goes by it. Where the machine's
// clock isn't believed, that is the earlier of its time and the one known to be right.
func (c *Clock) Passed() time.Time {
	s := c.Status()
	if s.Wall.Before(s.Now) {
		return s.Wall
	}
	return s.Now
}

// confirm takes the machine's clock for right.
func (c *Clock) confirm() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ref, c.refAt = c.read()
	return c.ref
}

// learn takes note of the newest time in the storage.
func (c *Clock) learn(stored time.Time, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, elapsed := c.read()
	known := c.ref.Add(elapsed - c.refAt)
	c.stored = stored
	switch {
	case first, apart(stored, known) <= Near && stored.After(known), apart(stored, known) > Near && apart(stored, wall) <= Near:
		// Of a time that is far from what this process knows, only one that agrees with its own clock is
		// taken: an operator confirmed it at another node.
		c.ref, c.refAt = stored, elapsed
	}
}

func apart(a, b time.Time) time.Duration { return a.Sub(b).Abs() }
