package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// state is what a log knows of itself beside its records. It is replaced with
// each commit, in the same transaction.
type state struct {
	id     identity
	public ed25519.PublicKey
	chain
	// base stands for the entries that were pruned, published is the checkpoint that
	// was published last; nil if there is none.
	base, published *Checkpoint
}

func newState(node string, public ed25519.PublicKey) state {
	s := state{id: identity{node: node}, public: public}
	rand.Read(s.id.log[:]) // never fails
	s.chain = newChain(s.id.log, node)
	return s
}

// start is the chain before the first record that is kept.
func (s state) start() chain {
	if s.base == nil {
		return newChain(s.id.log, s.id.node)
	}
	return chain{entries: s.base.Entries, reveals: s.base.Reveals, head: s.base.Head}
}

// checkpoint is an unsigned one of a chain of this log.
func (s state) checkpoint(at chain) Checkpoint {
	return Checkpoint{Log: s.id.log, Node: s.id.node, Entries: at.entries, Reveals: at.reveals,
		Pruned: s.start().entries, Head: at.head}
}

// encode gives, under a checksum,
//
//	u8 version | 16 log id | bytes node | 32 public key | u64 entries | u64 reveals | 32 head | bytes base | bytes published
func (s state) encode() []byte {
	b := append([]byte{version}, s.id.log[:]...)
	b = append(appendString(b, s.id.node), s.public...)
	b = binary.BigEndian.AppendUint64(b, s.entries)
	b = binary.BigEndian.AppendUint64(b, s.reveals)
	b = append(b, s.head[:]...)
	for _, c := range []*Checkpoint{s.base, s.published} {
		if c == nil {
			b = appendBytes(b, nil)
			continue
		}
		b = appendBytes(b, c.encode())
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func decodeState(data []byte) (state, error) {
	body, sum := data, []byte(nil)
	if n := len(data) - sha256.Size; n >= 0 {
		body, sum = data[:n], data[n:]
	}
	if want := sha256.Sum256(body); !bytes.Equal(sum, want[:]) {
		return state{}, fmt.Errorf("%w: wrong checksum of its state", ErrDamaged)
	}
	d := &decoder{rest: body}
	d.version()
	s := state{id: identity{log: LogID(d.take(len(LogID{}))), node: string(d.bytes(64))}}
	s.public = bytes.Clone(d.take(ed25519.PublicKeySize))
	s.chain = chain{entries: d.uint64(), reveals: d.uint64(), head: d.hash()}
	for _, c := range []**Checkpoint{&s.base, &s.published} {
		encoded := d.bytes(maxSealed)
		if len(encoded) == 0 {
			continue
		}
		decoded, err := decodeCheckpoint(encoded)
		if err != nil || decoded.Log != s.id.log || decoded.Node != s.id.node {
			return state{}, fmt.Errorf("%w: it holds a checkpoint that is not its own", ErrDamaged)
		}
		*c = &decoded
	}
	if err := d.end(); err != nil || !nodeName.MatchString(s.id.node) {
		return state{}, fmt.Errorf("%w: its state is not of version %d's form", ErrDamaged, version)
	}
	return s, nil
}
