package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// A Hash is a SHA-256 sum. Its text form is hex.
type Hash [sha256.Size]byte

// String returns the hash in hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText gives the hash in hex.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads a hash in lower-case hex.
func (h *Hash) UnmarshalText(text []byte) error { return unhex(h[:], text) }

// A LogID tells a log from one that was begun anew. Its text form is hex.
type LogID [16]byte

// String returns the id in hex.
func (id LogID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText gives the id in hex.
func (id LogID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads an id in lower-case hex.
func (id *LogID) UnmarshalText(text []byte) error { return unhex(id[:], text) }

// unhex reads exactly as many bytes as dst has. Upper case is refused: signed things have one form.
func unhex(dst, text []byte) error {
	if len(text) != 2*len(dst) {
		return errors.New("not hex of its length")
	}
	if _, err := hex.Decode(dst, text); err != nil || hex.EncodeToString(dst) != string(text) {
		return errors.New("not lower-case hex")
	}
	return nil
}

// A Link is what anyone may see of an entry: enough to follow the chain, and
// nothing of what it holds but whether it is a reveal.
type Link struct {
	Reveal bool `json:"reveal,omitempty"`
	// Record is the SHA-256 of the encrypted record. Its nonce makes it no guess at the content.
	Record Hash `json:"record"`
}

// Tags keep what is hashed or signed for one purpose from counting for another.
const (
	tagLog        = "wikiveil/v1/audit/log\x00"
	tagLink       = "wikiveil/v1/audit/link\x00"
	tagEntry      = "wikiveil/v1/audit/entry\x00"
	tagCheckpoint = "wikiveil/v1/audit/checkpoint\x00"
	tagBase       = "wikiveil/v1/audit/base\x00"
	tagState      = "wikiveil/v1/audit/state\x00"
)

// chain is a log up to some entry: all that is needed to append the next.
type chain struct {
	entries, reveals uint64
	head             Hash
}

func newChain(id LogID, node string) chain {
	b := append([]byte(tagLog), id[:]...)
	return chain{head: sha256.Sum256(appendString(b, node))}
}

// extend returns the chain with one more entry.
func (c chain) extend(l Link) chain {
	c.entries++
	reveal := byte(0)
	if l.Reveal {
		c.reveals++
		reveal = 1
	}
	var buf [256]byte
	b := append(append(buf[:0], tagLink...), c.head[:]...)
	b = append(binary.BigEndian.AppendUint64(b, c.entries), reveal)
	c.head = sha256.Sum256(append(b, l.Record[:]...))
	return c
}

func linkOf(action Action, encoded []byte) Link {
	return Link{Reveal: action == Reveal, Record: sha256.Sum256(encoded)}
}
