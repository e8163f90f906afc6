package audit

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"time"
)

// ErrTampered is the error for a log that is not what was written.
var ErrTampered = errors.New("audit log is not intact")

// A TamperError says where a log is not what was written. It is an [ErrTampered].
type TamperError struct {
	// Sequence is the entry concerned, 0 if it is none.
	Sequence uint64
	What     string
}

func (e *TamperError) Error() string {
	if e.Sequence == 0 {
		return fmt.Sprintf("%v: %s", ErrTampered, e.What)
	}
	return fmt.Sprintf("%v: entry %d: %s", ErrTampered, e.Sequence, e.What)
}

func (e *TamperError) Unwrap() error { return ErrTampered }

// VerifyOptions say what a log is verified against.
type VerifyOptions struct {
	// PublicKey is the key that the log's owner has published. Without one, that of
	// Keys counts, or else the one in the log, which a forger may have put there.
	PublicKey ed25519.PublicKey
	// Keys, where given, prove that each entry was made by their holder. Without them the
	// chain alone is followed, which somebody without the keys may have computed anew.
	Keys *Keys
	// Heads, where given, have the head that the log must go on from.
	Heads Heads
	// Checkpoints are earlier ones, kept outside of the log: only they show that its tail was cut.
	Checkpoints []Checkpoint
}

// A Report tells what was verified.
type Report struct {
	// Log is the chain at its end, unsigned.
	Log Checkpoint `json:"-"`
	// From and To are the times of the first and last entry kept; zero if there is none.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Checkpoints is the number of checkpoints that the log continues, its head among them.
	Checkpoints int `json:"checkpoints"`
	// Decrypted is whether the content of all entries was proved as well.
	Decrypted bool `json:"decrypted"`
}

// Verify reads the whole log and reports whether it is what was written.
//
// Errors: a [*TamperError], [ErrDamaged], [ErrWrongKeys], [ErrSignature] for a checkpoint
// that is not genuine, [ErrPruned] for one that is older than what is kept.
func Verify(store Store, o VerifyOptions) (Report, error) {
	if o.Heads != nil { // before the log is read, which may go on meanwhile
		head, err := o.headOf()
		if err != nil {
			return Report{}, fmt.Errorf("verifying the audit log: %w", err)
		}
		o.Checkpoints = append(slices.Clone(o.Checkpoints), head)
	}
	var report Report
	err := store.View(0, func(data []byte, records iter.Seq2[uint64, []byte]) error {
		s, err := decodeState(data)
		if err != nil {
			return err
		}
		v := &verifier{state: s, options: o}
		if err := v.start(); err != nil {
			return err
		}
		if err := walk(s, records, v.visit); err != nil {
			return err
		}
		report = v.report
		report.Log = s.checkpoint(s.chain)
		report.Decrypted = o.Keys != nil
		return v.end()
	})
	if err != nil {
		return Report{}, fmt.Errorf("verifying the audit log: %w", err)
	}
	return report, nil
}

// headOf loads the head.
func (o VerifyOptions) headOf() (Checkpoint, error) {
	ctx, cancel := context.WithTimeout(context.Background(), headTimeout)
	defer cancel()
	head, err := o.Heads.Load(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return Checkpoint{}, &TamperError{What: "its head isn't in the storage any more"}
	}
	return head, err
}

// walk follows the chain through all records and to the state's end of it.
func walk(s state, records iter.Seq2[uint64, []byte], visit func(record, chain) error) error {
	at := s.start()
	for n, data := range records {
		if want := at.entries + 1; n != want {
			return &TamperError{Sequence: want, What: fmt.Sprintf("it is missing, %d comes next", n)}
		}
		r, err := decodeRecord(data)
		if err != nil {
			return &TamperError{Sequence: n, What: err.Error()}
		}
		if r.sequence != n {
			return &TamperError{Sequence: n, What: fmt.Sprintf("entry %d stands in its place", r.sequence)}
		}
		if r.previous != at.last {
			return &TamperError{Sequence: n, What: "it does not continue the one before it"}
		}
		at = at.extend(r.action, data, nil)
		if p := s.published; p != nil && p.Entries == at.entries && !p.isOf(at) {
			return errOtherHistory(at)
		}
		if at.entries <= s.entries { // what lies beyond belongs to no chain
			if err := visit(r, at); err != nil {
				return err
			}
		}
	}
	switch {
	case at.entries < s.entries:
		return &TamperError{Sequence: at.entries + 1, What: fmt.Sprintf("it and all to %d are missing", s.entries)}
	case at.entries > s.entries:
		return &TamperError{Sequence: s.entries + 1, What: "it was added from outside"}
	case s.published != nil && s.published.Entries > at.entries:
		return &TamperError{Sequence: at.entries + 1, What: "it is missing, which the checkpoint published last counts"}
	case !at.equal(s.chain):
		return &TamperError{Sequence: at.entries, What: "the chain ends in another head or count of reveals than the log's"}
	}
	return nil
}

type verifier struct {
	state   state
	options VerifyOptions
	todo    []Checkpoint // by entries
	report  Report
}

// start checks all that needs no record.
func (v *verifier) start() error {
	key := v.options.PublicKey
	switch {
	case v.options.Keys != nil && key == nil:
		key = v.options.Keys.Public()
	case v.options.Keys != nil && !v.options.Keys.Public().Equal(key):
		return fmt.Errorf("%w: they have another public key", ErrWrongKeys)
	case key == nil:
		key = v.state.public
	}
	if !v.state.public.Equal(key) {
		return ErrWrongKeys
	}
	if err := checkOwn(v.state); err != nil {
		return err
	}
	v.todo = slices.Clone(v.options.Checkpoints)
	slices.SortFunc(v.todo, func(a, b Checkpoint) int { return cmp.Compare(a.Entries, b.Entries) })
	for _, c := range v.todo {
		if err := c.Verify(key); err != nil {
			return fmt.Errorf("checkpoint of %d entries: %w", c.Entries, err)
		}
		if c.Log != v.state.id.log || c.Node != v.state.id.node {
			return &TamperError{What: fmt.Sprintf("the checkpoint is of log %v of node %s, this is %v of %s",
				c.Log, c.Node, v.state.id.log, v.state.id.node)}
		}
	}
	return v.pass(v.state.start())
}

// checkOwn checks the signatures in the log itself.
func checkOwn(s state) error {
	if s.published != nil && s.published.Verify(s.public) != nil {
		return &TamperError{What: "the checkpoint published last has a wrong signature"}
	}
	return nil
}

func (v *verifier) visit(r record, at chain) error {
	if keys := v.options.Keys; keys != nil {
		if _, err := keys.decrypt(v.state.id, r); err != nil {
			return &TamperError{Sequence: r.sequence, What: err.Error()}
		}
	}
	if v.report.From.IsZero() {
		v.report.From = r.time
	}
	v.report.To = r.time
	return v.pass(at)
}

// pass compares the checkpoints of as many entries as the chain has come to.
func (v *verifier) pass(at chain) error {
	for ; len(v.todo) > 0 && v.todo[0].Entries <= at.entries; v.todo = v.todo[1:] {
		c := v.todo[0]
		if c.Entries < at.entries {
			return fmt.Errorf("checkpoint of %d entries: %w (%d are pruned)", c.Entries, ErrPruned, at.entries)
		}
		if !c.isOf(at) {
			return errOtherHistory(at)
		}
		v.report.Checkpoints++
	}
	return nil
}

func errOtherHistory(at chain) error {
	return &TamperError{Sequence: at.entries, What: "up to here the log is not that of the checkpoint of as many entries"}
}

func (v *verifier) end() error {
	if len(v.todo) > 0 {
		last := v.todo[len(v.todo)-1]
		return &TamperError{Sequence: v.state.entries + 1,
			What: fmt.Sprintf("it and all to %d are missing, which the checkpoint counts", last.Entries)}
	}
	return nil
}
