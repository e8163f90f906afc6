package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// A Hash is a SHA-256 sum. Its text form is base64.
type Hash = tlog.Hash

// A LogID tells a log from one that was begun anew. Its text form is hex.
type LogID [16]byte

// String returns the id in hex.
func (id LogID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText gives the id in hex.
func (id LogID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads an id in lower-case hex.
func (id *LogID) UnmarshalText(text []byte) error {
	data, err := hex.DecodeString(string(text))
	if err != nil || len(data) != len(id) || hex.EncodeToString(data) != string(text) {
		return errors.New("not a log's id in lower-case hex")
	}
	*id = LogID(data)
	return nil
}

// Tags keep what is hashed or signed for one purpose from counting for another.
const (
	tagLog   = "wikiveil/v1/audit/log\x00"
	tagEntry = "wikiveil/v1/audit/entry\x00"
	tagState = "wikiveil/v1/audit/state\x00"
)

// chain is a log up to some entry: all that is needed to append the next.
type chain struct {
	entries, reveals uint64
	// last is the hash of the last record, which the next one names: so a fault is known by its entry.
	last Hash
	// edge has the hashes of the largest whole subtrees of the Merkle tree, from the left: one for each bit of entries.
	edge []Hash
}

func newChain(id LogID, node string) chain {
	b := append([]byte(tagLog), id[:]...)
	return chain{last: sha256.Sum256(appendString(b, node))}
}

// extend returns the chain with one more record. whole, if not nil, is told the hashes of the subtrees that it completes, in
// the order of [tlog.StoredHashIndex].
func (c chain) extend(action Action, encoded []byte, whole func(Hash)) chain {
	h := tlog.RecordHash(encoded)
	c.last = h
	at := len(c.edge)
	for n := c.entries; ; n >>= 1 {
		if whole != nil {
			whole(h)
		}
		if n&1 == 0 {
			break
		}
		at--
		h = tlog.NodeHash(c.edge[at], h)
	}
	c.edge = append(slices.Clone(c.edge[:at]), h)
	c.entries++
	if action == Reveal {
		c.reveals++
	}
	return c
}

// head is the root of the Merkle tree (RFC 6962).
func (c chain) head() Hash {
	if len(c.edge) == 0 {
		return sha256.Sum256(nil)
	}
	at := len(c.edge) - 1
	h := c.edge[at]
	for at--; at >= 0; at-- {
		h = tlog.NodeHash(c.edge[at], h)
	}
	return h
}

func (c chain) equal(other chain) bool {
	return c.entries == other.entries && c.reveals == other.reveals && c.last == other.last && slices.Equal(c.edge, other.edge)
}

func (c chain) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, c.entries)
	b = binary.BigEndian.AppendUint64(b, c.reveals)
	b = append(b, c.last[:]...)
	for _, h := range c.edge {
		b = append(b, h[:]...)
	}
	return b
}
