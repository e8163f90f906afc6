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

// A Report tells what was verified. Nothing of the entries is in it.
type Report struct {
	// Node and Log are whose the log is.
	Node string `json:"node,omitempty"`
	Log  LogID  `json:"log,omitzero"`
	// Entries is the number of entries ever written, Reveals that of reveals among them, Pruned that of the oldest ones,
	// which are no longer kept.
	Entries uint64 `json:"entries"`
	Reveals uint64 `json:"reveals"`
	Pruned  uint64 `json:"pruned"`
	// From and To are the times of the first and last entry kept; zero if there is none.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Followed is the number of checkpoints that the log continues, its head among them.
	Followed int `json:"followed"`
	// TooOld is how many are from before what is kept, OtherNodes how many are of other nodes' logs.
	TooOld     int `json:"too_old,omitempty"`
	OtherNodes int `json:"other_nodes,omitempty"`
	// Decrypted is whether the content of all entries was proved as well.
	Decrypted bool `json:"decrypted"`
}

// ErrNoneFollowed: to say that a log is intact would promise what was not proved.
var ErrNoneFollowed = errors.New("none of the given checkpoints can be followed")

// Verify reads the whole log and reports whether it is what was written. Whose it is the report says with an error too, where
// that is known.
//
// Errors: a [*TamperError], [ErrDamaged], [ErrWrongKeys], [ErrSignature] for a checkpoint
// that is not genuine, [ErrPruned] for a head that is older than what is kept, [ErrNoneFollowed].
func Verify(store Store, o VerifyOptions) (Report, error) {
	v := &verifier{options: o}
	if o.Heads != nil { // before the log is read, which may go on meanwhile
		head, err := o.headOf()
		if err != nil {
			return Report{}, fmt.Errorf("verifying the audit log: %w", err)
		}
		v.todo = append(v.todo, head)
	}
	err := store.View(0, func(data []byte, records iter.Seq2[uint64, []byte]) (err error) {
		if v.state, err = decodeState(data); err != nil {
			return err
		}
		v.report.Node, v.report.Log = v.state.id.node, v.state.id.log
		if err := v.start(); err != nil {
			return err
		}
		if err := walk(v.state, records, v.visit); err != nil {
			return err
		}
		return v.end()
	})
	if err != nil {
		return Report{Node: v.report.Node, Log: v.report.Log}, fmt.Errorf("verifying the audit log: %w", err)
	}
	return v.report, nil
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
	options VerifyOptions
	state   state
	todo    []Checkpoint // that the log has to continue, by entries
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
	if err := v.choose(key); err != nil {
		return err
	}
	return v.pass(v.state.start())
}

// choose adds the given checkpoints that the log has to continue to its head.
func (v *verifier) choose(key ed25519.PublicKey) error {
	given := v.options.Checkpoints
	for _, c := range slices.Concat(v.todo, given) {
		if err := c.Verify(key); err != nil {
			return fmt.Errorf("checkpoint of %d entries of node %s: %w", c.Entries, c.Node, err)
		}
		if id := v.state.id; (c.Node == id.node) != (c.Log == id.log) {
			return &TamperError{What: fmt.Sprintf("the checkpoint is of log %v of node %s, this is %v of %s", c.Log, c.Node, id.log, id.node)}
		}
	}
	kept := v.state.start().entries
	for _, head := range v.todo {
		switch {
		case head.Node != v.state.id.node:
			return &TamperError{What: fmt.Sprintf("its head in the storage is that of node %s, it is of %s", head.Node, v.state.id.node)}
		case head.Entries < kept:
			return fmt.Errorf("head of %d entries: %w (%d are pruned)", head.Entries, ErrPruned, kept)
		}
	}
	for _, c := range given {
		switch {
		case c.Node != v.state.id.node:
			v.report.OtherNodes++
		case c.Entries < kept:
			v.report.TooOld++
		default:
			v.todo = append(v.todo, c)
		}
	}
	slices.SortFunc(v.todo, func(a, b Checkpoint) int { return cmp.Compare(a.Entries, b.Entries) })
	return nil
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
		if !v.todo[0].isOf(at) {
			return errOtherHistory(at)
		}
		v.report.Followed++
	}
	return nil
}

func errOtherHistory(at chain) error {
	return &TamperError{Sequence: at.entries, What: "up to here the log is not that of the checkpoint of as many entries"}
}

// end checks that nothing is left to be seen, and reports how far the log has come.
func (v *verifier) end() error {
	if len(v.todo) > 0 {
		last := v.todo[len(v.todo)-1]
		return &TamperError{Sequence: v.state.entries + 1,
			What: fmt.Sprintf("it and all to %d are missing, which the checkpoint counts", last.Entries)}
	}
	// Last, since what is wrong with the log itself is worth more.
	if n := v.report.OtherNodes + v.report.TooOld; n > 0 && n == len(v.options.Checkpoints) {
		return fmt.Errorf("%w: of %d, %d are of other nodes than %s and %d from before what is kept",
			ErrNoneFollowed, n, v.report.OtherNodes, v.state.id.node, v.report.TooOld)
	}
	v.report.Entries, v.report.Reveals, v.report.Pruned = v.state.entries, v.state.reveals, v.state.start().entries
	v.report.Decrypted = v.options.Keys != nil
	return nil
}
