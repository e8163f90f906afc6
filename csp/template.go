package csp

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// nonceBytes is 128 bits, the least that CSP Level 3, section 7.1, asks for.
const nonceBytes = 16

// Nonce is a random value for one response. The zero Nonce matches nothing.
type Nonce struct{ text string }

// NewNonce returns 128 fresh random bits.
func NewNonce() Nonce {
	var b [nonceBytes]byte
	rand.Read(b[:])
	return Nonce{base64.StdEncoding.EncodeToString(b[:])}
}

// String returns the nonce in base64, as it stands in `<script nonce="…">`.
func (n Nonce) String() string { return n.text }

// Template is a policy ready to be sent: serialised once, with a gap for each
// [NonceSlot]. Without any, sending it costs nothing.
type Template struct{ parts []string }

// Compile serialises p for sending. With a nonce or 'strict-dynamic' a second policy goes out behind a comma, which keeps
// scripts and style sheets of sites that p doesn't name out.
func (p Policy) Compile() Template {
	text := p.String()
	if fence := p.fence(); fence != "" {
		text += ", " + fence
	}
	return Template{strings.Split(text, NonceSlot.text)}
}

// NeedsNonce reports whether each response must have a nonce of its own.
func (t Template) NeedsNonce() bool { return len(t.parts) > 1 }

// Header returns the header's value with n in its gaps.
func (t Template) Header(n Nonce) string {
	switch len(t.parts) {
	case 0:
		return ""
	case 1:
		return t.parts[0]
	}
	return strings.Join(t.parts, "'nonce-"+n.text+"'")
}

// Size returns the length in bytes of what Header returns.
func (t Template) Size() int {
	if len(t.parts) == 0 {
		return 0
	}
	gap := len("'nonce-'") + base64.StdEncoding.EncodedLen(nonceBytes)
	size := gap * (len(t.parts) - 1)
	for _, part := range t.parts {
		size += len(part)
	}
	return size
}
