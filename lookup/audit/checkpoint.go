package audit

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Checkpoint says, signed, how far a log had come at a time. It holds nothing of
// any entry and is meant to be published.
//
// Its text is a signed note in the form of C2SP's tlog-checkpoint:
//
//	wikiveil.audit/NODE/LOG
//	entries
//	head
//	reveals N
//	pruned N
//	time 2026-01-02T15:04:05.000Z
//
//	— wikiveil.audit/NODE/LOG SIGNATURE
//
// Signatures of others (witnesses) may follow.
type Checkpoint struct {
	// Log and Node tell whose log it is.
	Log  LogID
	Node string
	// Entries is the number of entries ever written, Reveals that of reveals among them.
	Entries uint64
	Reveals uint64
	// Pruned is how many of the oldest entries are no longer kept.
	Pruned uint64
	// Head is the root of the Merkle tree over all entries.
	Head Hash
	// Time is when this was signed, to the millisecond.
	Time time.Time
	// Note is the signed text.
	Note string
}

// Errors of checkpoints, for callers to test for.
var (
	ErrCheckpoint   = errors.New("checkpoint is not of its form")
	ErrSignature    = errors.New("checkpoint has a wrong signature")
	ErrInconsistent = errors.New("the later checkpoint does not continue the earlier one")
)

const (
	originPrefix = "wikiveil.audit/"
	noteTime     = "2006-01-02T15:04:05.000Z"
	// maxNote is room for a hundred witnesses.
	maxNote = 16 << 10
)

var nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// errNode says what a node may be called.
var errNode = errors.New("node name is not of the form A-Z, a-z, 0-9, '.', '_', '-' (64 at most)")

// origin is the name of the log and of the key that it is signed with.
func (c Checkpoint) origin() string { return originPrefix + c.Node + "/" + c.Log.String() }

// text is the part that is signed.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%v\nreveals %d\npruned %d\ntime %s\n",
		c.origin(), c.Entries, c.Head, c.Reveals, c.Pruned, c.Time.UTC().Format(noteTime))
}

// ParseCheckpoint reads a checkpoint's text. The signature is not checked: [Checkpoint.Verify] does it.
//
// The error is [ErrCheckpoint] with what is wrong.
func ParseCheckpoint(data []byte) (Checkpoint, error) {
	// What was copied from a page, or saved by an editor, may have other ends of lines.
	text := strings.TrimSpace(strings.ReplaceAll(string(data), "\r\n", "\n")) + "\n"
	n, err := openNote(text)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := parseText(n.Text)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	c.Note = text
	return c, nil
}

// openNote reads a note whose signatures nobody has verified.
func openNote(text string) (*note.Note, error) {
	_, err := note.Open([]byte(text), note.VerifierList())
	unverified, ok := errors.AsType[*note.UnverifiedNoteError](err)
	if !ok || len(text) > maxNote {
		return nil, fmt.Errorf("%w: not a signed note", ErrCheckpoint)
	}
	return unverified.Note, nil
}

func parseText(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 7 {
		return c, errors.New("it has not six lines")
	}
	named, _ := strings.CutPrefix(lines[0], originPrefix)
	node, id, _ := strings.Cut(named, "/")
	c.Node = node
	if !nodeName.MatchString(c.Node) {
		return c, errNode
	}
	var errs [7]error
	errs[0] = c.Log.UnmarshalText([]byte(id))
	c.Entries, errs[1] = strconv.ParseUint(lines[1], 10, 62)
	c.Head, errs[2] = tlog.ParseHash(lines[2])
	c.Reveals, errs[3] = strconv.ParseUint(strings.TrimPrefix(lines[3], "reveals "), 10, 62)
	c.Pruned, errs[4] = strconv.ParseUint(strings.TrimPrefix(lines[4], "pruned "), 10, 62)
	c.Time, errs[5] = time.Parse(noteTime, strings.TrimPrefix(lines[5], "time "))
	switch {
	case errors.Join(errs[:]...) != nil || c.text() != text: // one form alone
		return c, errors.New("a line has another form")
	case c.Reveals > c.Entries || c.Pruned > c.Entries:
		return c, errors.New("the counts contradict each other")
	}
	return c, nil
}

// MarshalText gives the signed text.
func (c Checkpoint) MarshalText() ([]byte, error) { return []byte(c.Note), nil }

// UnmarshalText is [ParseCheckpoint].
func (c *Checkpoint) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCheckpoint(text)
	return err
}

// isOf reports whether c is the checkpoint of a chain of as many entries.
func (c Checkpoint) isOf(at chain) bool {
	return c.Entries == at.entries && c.Reveals == at.reveals && c.Head == at.head()
}

// same reports whether two checkpoints count the same, whenever they were signed.
func (c Checkpoint) same(other Checkpoint) bool {
	return c.Log == other.Log && c.Entries == other.Entries && c.Reveals == other.Reveals && c.Head == other.Head
}

func (c Checkpoint) signed(k *Keys) Checkpoint {
	c.Time = c.Time.UTC().Truncate(time.Millisecond)
	signer, _, err := k.Note(c.origin())
	if err != nil {
		panic(err) // a node's name is always one of a note's key
	}
	signed, err := note.Sign(&note.Note{Text: c.text()}, signer)
	if err != nil {
		panic(err)
	}
	c.Note = string(signed)
	return c
}

// Verify checks the signature with the key that the log's owner has published.
func (c Checkpoint) Verify(key ed25519.PublicKey) error {
	text, err := note.NewEd25519VerifierKey(c.origin(), key)
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(text)
	if err != nil {
		return err
	}
	opened, err := note.Open([]byte(c.Note), note.VerifierList(verifier))
	if err != nil || opened.Text != c.text() {
		return ErrSignature
	}
	return nil
}

// Follows checks that c continues an earlier checkpoint of the same log: that all
// entries counted then are counted still, unchanged and in order. The proof is what [Log.Proof]
// gives for the earlier one's entries. Both signatures are the caller's to verify.
//
// The error is [ErrInconsistent] with what is wrong.
func (c Checkpoint) Follows(earlier Checkpoint, proof tlog.TreeProof) error {
	switch {
	case c.Log != earlier.Log || c.Node != earlier.Node:
		return fmt.Errorf("%w: they are of two logs", ErrInconsistent)
	case c.Entries < earlier.Entries:
		return fmt.Errorf("%w: %d entries have vanished", ErrInconsistent, earlier.Entries-c.Entries)
	case c.Reveals < earlier.Reveals:
		return fmt.Errorf("%w: %d reveals have vanished", ErrInconsistent, earlier.Reveals-c.Reveals)
	case c.Pruned < earlier.Pruned:
		return fmt.Errorf("%w: entries once pruned are back", ErrInconsistent)
	case c.Reveals-earlier.Reveals > c.Entries-earlier.Entries:
		return fmt.Errorf("%w: there are more new reveals than new entries", ErrInconsistent)
	case c.Entries == earlier.Entries && c.Head != earlier.Head:
		return fmt.Errorf("%w: they are of as many entries, and of others", ErrInconsistent)
	case c.Entries == earlier.Entries || earlier.Entries == 0:
		return nil
	}
	if err := tlog.CheckTree(proof, int64(c.Entries), c.Head, int64(earlier.Entries), earlier.Head); err != nil {
		return fmt.Errorf("%w: the proof does not lead from one to the other", ErrInconsistent)
	}
	return nil
}
