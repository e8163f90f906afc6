package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// A Checkpoint says, signed, how far a log had come at a time. It holds nothing of
// any entry and is meant to be published.
type Checkpoint struct {
	// Log and Node tell whose log it is.
	Log  LogID  `json:"log"`
	Node string `json:"node"`
	// Entries is the number of entries ever written, Reveals that of reveals among them.
	Entries uint64 `json:"entries"`
	Reveals uint64 `json:"reveals"`
	// Pruned is how many of the oldest entries are no longer kept.
	Pruned uint64 `json:"pruned"`
	// Head is the chain's link after the last entry.
	Head Hash `json:"head"`
	// Time is when this was signed, to the millisecond.
	Time time.Time `json:"time"`
	// Signature is Ed25519's, 64 bytes.
	Signature []byte `json:"signature"`
}

// Errors of checkpoints, for callers to test for.
var (
	ErrCheckpoint   = errors.New("checkpoint is not of its form")
	ErrSignature    = errors.New("checkpoint has a wrong signature")
	ErrInconsistent = errors.New("the later checkpoint does not continue the earlier one")
)

var nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// errNode says what a node may be called.
var errNode = errors.New("node name is not of the form A-Z, a-z, 0-9, '.', '_', '-' (64 at most)")

// jsonCheckpoint is the JSON form, version 1.
type jsonCheckpoint struct {
	Version int `json:"version"`
	plainCheckpoint
}

type plainCheckpoint Checkpoint

// MarshalJSON gives the form that [ParseCheckpoint] reads.
func (c Checkpoint) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonCheckpoint{version, plainCheckpoint(c)})
}

// UnmarshalJSON reads that form. The signature is not checked: [Checkpoint.Verify] does it.
func (c *Checkpoint) UnmarshalJSON(data []byte) error {
	var form jsonCheckpoint
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields() // nothing may stand beside what is signed
	if err := d.Decode(&form); err != nil {
		return fmt.Errorf("%w: it has other fields or values", ErrCheckpoint)
	}
	if form.Version != version {
		return fmt.Errorf("%w: unknown version %d", ErrCheckpoint, form.Version)
	}
	parsed := Checkpoint(form.plainCheckpoint)
	parsed.Time = parsed.Time.UTC()
	if err := parsed.check(); err != nil {
		return err
	}
	*c = parsed
	return nil
}

// ParseCheckpoint reads a checkpoint's JSON. The signature is not checked.
//
// The error is [ErrCheckpoint] with what is wrong.
func ParseCheckpoint(data []byte) (Checkpoint, error) {
	var c Checkpoint
	if err := json.Unmarshal(data, &c); errors.Is(err, ErrCheckpoint) {
		return Checkpoint{}, err
	} else if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: not JSON", ErrCheckpoint)
	}
	return c, nil
}

func (c Checkpoint) check() error {
	switch {
	case !nodeName.MatchString(c.Node):
		return fmt.Errorf("%w: %w", ErrCheckpoint, errNode)
	case c.Reveals > c.Entries || c.Pruned > c.Entries:
		return fmt.Errorf("%w: the counts contradict each other", ErrCheckpoint)
	case len(c.Signature) != ed25519.SignatureSize:
		return fmt.Errorf("%w: the signature has %d bytes", ErrCheckpoint, len(c.Signature))
	case !c.Time.Equal(c.Time.Truncate(time.Millisecond)):
		return fmt.Errorf("%w: the time is finer than a millisecond", ErrCheckpoint)
	}
	return nil
}

// body is the part that is signed.
func (c Checkpoint) body() []byte {
	b := appendString(bytes.Clone(c.Log[:]), c.Node)
	b = binary.BigEndian.AppendUint64(b, c.Entries)
	b = binary.BigEndian.AppendUint64(b, c.Reveals)
	b = binary.BigEndian.AppendUint64(b, c.Pruned)
	return appendTime(append(b, c.Head[:]...), c.Time)
}

// isOf reports whether c is the checkpoint of a chain of as many entries.
func (c Checkpoint) isOf(at chain) bool {
	return c.Entries == at.entries && c.Reveals == at.reveals && c.Head == at.head
}

func (c Checkpoint) encode() []byte { return append(c.body(), c.Signature...) }

func decodeCheckpoint(data []byte) (Checkpoint, error) {
	d := &decoder{rest: data}
	c := Checkpoint{Log: LogID(d.take(len(LogID{}))), Node: string(d.bytes(64)),
		Entries: d.uint64(), Reveals: d.uint64(), Pruned: d.uint64(), Head: d.hash(), Time: d.time()}
	c.Signature = bytes.Clone(d.take(ed25519.SignatureSize))
	if err := d.end(); err != nil {
		return Checkpoint{}, err
	}
	return c, c.check()
}

// signed returns the checkpoint signed for the purpose of a tag: a published one must
// not do as a base, or a log could be cut off at it.
func (c Checkpoint) signed(k *Keys, tag string) Checkpoint {
	c.Time = c.Time.UTC().Truncate(time.Millisecond)
	c.Signature = ed25519.Sign(k.sign, append([]byte(tag), c.body()...))
	return c
}

func (c Checkpoint) verify(key ed25519.PublicKey, tag string) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("public key has %d bytes, not %d", len(key), ed25519.PublicKeySize)
	}
	if err := c.check(); err != nil {
		return err
	}
	if !ed25519.Verify(key, append([]byte(tag), c.body()...), c.Signature) {
		return ErrSignature
	}
	return nil
}

// Verify checks the signature with the key that the log's owner has published.
func (c Checkpoint) Verify(key ed25519.PublicKey) error { return c.verify(key, tagCheckpoint) }

// Follows checks that c continues an earlier checkpoint of the same log: that all
// entries counted then are counted still, unchanged and in order. links are those of
// the entries between, as [Log.Links] gives them. Both signatures are the caller's to verify.
//
// The error is [ErrInconsistent] with what is wrong.
func (c Checkpoint) Follows(earlier Checkpoint, links []Link) error {
	switch {
	case c.Log != earlier.Log || c.Node != earlier.Node:
		return fmt.Errorf("%w: they are of two logs", ErrInconsistent)
	case c.Entries < earlier.Entries:
		return fmt.Errorf("%w: %d entries have vanished", ErrInconsistent, earlier.Entries-c.Entries)
	case c.Reveals < earlier.Reveals:
		return fmt.Errorf("%w: %d reveals have vanished", ErrInconsistent, earlier.Reveals-c.Reveals)
	case c.Pruned < earlier.Pruned:
		return fmt.Errorf("%w: entries once pruned are back", ErrInconsistent)
	case uint64(len(links)) != c.Entries-earlier.Entries:
		return fmt.Errorf("%w: %d links are given for the %d entries between them", ErrInconsistent, len(links), c.Entries-earlier.Entries)
	}
	at := chain{entries: earlier.Entries, reveals: earlier.Reveals, head: earlier.Head}
	for _, l := range links {
		at = at.extend(l)
	}
	if at.head != c.Head {
		return fmt.Errorf("%w: the links do not lead from one head to the other", ErrInconsistent)
	}
	if at.reveals != c.Reveals {
		return fmt.Errorf("%w: the links count %d reveals, not %d", ErrInconsistent, at.reveals, c.Reveals)
	}
	return nil
}
