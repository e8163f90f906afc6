package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"math/bits"
)

// state is what a log knows of itself beside its records. It is replaced with
// each commit, in the same transaction.
type state struct {
	id     identity
	public ed25519.PublicKey
	chain
	// base is the chain of the entries that were pruned, published the checkpoint that
	// was published last; nil if there is none.
	base      *chain
	published *Checkpoint
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
	return *s.base
}

// checkpoint is an unsigned one of a chain of this log.
func (s state) checkpoint(at chain) Checkpoint {
	return Checkpoint{Log: s.id.log, Node: s.id.node, Entries: at.entries, Reveals: at.reveals,
		Pruned: s.start().entries, Head: at.head()}
}

// encode gives, signed, since whoever cuts the log would else write a state that fits,
//
//	u8 version | 16 log id | bytes node | 32 public key | bytes chain | bytes base | bytes published
func (s state) encode(keys *Keys) []byte {
	b := append([]byte{version}, s.id.log[:]...)
	b = append(appendString(b, s.id.node), s.public...)
	b = appendBytes(b, s.chain.appendTo(nil))
	var base []byte
	if s.base != nil {
		base = s.base.appendTo(nil)
	}
	b = appendBytes(b, base)
	published := ""
	if s.published != nil {
		published = s.published.Note
	}
	b = appendString(b, published)
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
	whole, base, published := d.bytes(maxSealed), d.bytes(maxSealed), d.bytes(maxNote)
	err := d.end()
	if err == nil {
		s.chain, err = decodeChain(whole)
	}
	if err == nil && len(base) > 0 {
		var c chain
		c, err = decodeChain(base)
		s.base = &c
	}
	if len(published) > 0 {
		c, err := ParseCheckpoint(published)
		if err != nil || c.Note != string(published) || c.Log != s.id.log || c.Node != s.id.node {
			return state{}, fmt.Errorf("%w: it holds a checkpoint that is not its own", ErrDamaged)
		}
		s.published = &c
	}
	if err != nil || !nodeName.MatchString(s.id.node) {
		return state{}, fmt.Errorf("%w: its state is not of version %d's form", ErrDamaged, version)
	}
	return s, nil
}

func decodeChain(data []byte) (chain, error) {
	d := &decoder{rest: data}
	c := chain{entries: d.uint64(), reveals: d.uint64(), last: d.hash()}
	for range bits.OnesCount64(c.entries) {
		c.edge = append(c.edge, d.hash())
	}
	return c, d.end()
}
