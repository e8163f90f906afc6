package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"math/bits"

	"golang.org/x/crypto/cryptobyte"
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
	d := cryptobyte.String(body)
	var s state
	var of uint8
	var node, whole, base, published cryptobyte.String
	s.public = make(ed25519.PublicKey, ed25519.PublicKeySize)
	ok := d.ReadUint8(&of) && d.CopyBytes(s.id.log[:]) && d.ReadUint16LengthPrefixed(&node) && d.CopyBytes(s.public)
	if !ok || !ed25519.Verify(s.public, append([]byte(tagState), body...), signature) {
		return state{}, fmt.Errorf("%w: wrong signature of its state", ErrDamaged)
	}
	s.id.node = string(node)
	ok = d.ReadUint16LengthPrefixed(&whole) && d.ReadUint16LengthPrefixed(&base) && d.ReadUint16LengthPrefixed(&published) && d.Empty() &&
		of == version && nodeName.MatchString(s.id.node) && s.chain.decode(whole)
	if ok && len(base) > 0 {
		s.base = new(chain)
		ok = s.base.decode(base)
	}
	if !ok {
		return state{}, fmt.Errorf("%w: its state is not of version %d's form", ErrDamaged, version)
	}
	if len(published) > 0 {
		c, err := ParseCheckpoint(published)
		if err != nil || c.Note != string(published) || c.Log != s.id.log || c.Node != s.id.node {
			return state{}, fmt.Errorf("%w: it holds a checkpoint that is not its own", ErrDamaged)
		}
		s.published = &c
	}
	return s, nil
}

// decode reads what appendTo wrote, and reports whether it could.
func (c *chain) decode(s cryptobyte.String) bool {
	if !s.ReadUint64(&c.entries) || !s.ReadUint64(&c.reveals) || !s.CopyBytes(c.last[:]) {
		return false
	}
	c.edge = make([]Hash, bits.OnesCount64(c.entries))
	for i := range c.edge {
		if !s.CopyBytes(c.edge[i][:]) {
			return false
		}
	}
	return s.Empty()
}
