package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
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

// encode gives, signed, since whoever cuts the log would else write a state that fits,
//
//	u8 version | 16 log id | bytes node | 32 public key | u64 entries | u64 reveals | 32 head | bytes base | bytes published
func (s state) encode(keys *Keys) []byte {
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
	return append(b, ed25519.Sign(keys.sign, append([]byte(tagState), b...))...)
}

// decodeState verifies the signature by the key that the state names: whether that one is the log's is
// for the caller to say.
func decodeState(data []byte) (state, error) {
	n := max(0, len(data)-ed25519.SignatureSize)
	body, signature := data[:n], data[n:]
	d := &decoder{rest: body}
	d.version()
	s := state{id: identity{log: LogID(d.take(len(LogID{}))), node: string(d.bytes(64))}}
	s.public = bytes.Clone(d.take(ed25519.PublicKeySize))
	if !ed25519.Verify(s.public, append([]byte(tagState), body...), signature) {
		return state{}, fmt.Errorf("%w: wrong signature of its state", ErrDamaged)
	}
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
