package confirm

import (
	"encoding/binary"
	"time"
)

// How long what a flow makes is good for.
const (
	handOffLife = time.Minute
	TokenLife   = 10 * time.Minute
	TokenMinAge = 1500 * time.Millisecond
	TicketLife  = time.Minute

	// clockSkew is how far two nodes' clocks may differ. A hand-off and a ticket
	// arrive at once, perhaps at another node.
	clockSkew = 2 * time.Second
)

// claims is what hand-offs, tokens and tickets say. Not all say all of it.
type claims struct {
	browser         BrowserID
	client          Group
	subject, action string
	binding         Binding
	issued          time.Time
	nonce           Nonce
	code            [codeHashSize]byte
}

// How many of the fields below each text has, and the ages at which it counts.
var shapes = [uses]struct {
	fields       int
	minAge, life time.Duration
}{
	useHandOff: {7, -clockSkew, handOffLife},
	useTicket:  {9, -clockSkew, TicketLife},
	useToken:   {10, TokenMinAge, TokenLife},
}

// seal signs c as of now.
func (f *Flow) seal(u use, c claims) string {
	c.issued = time.Now()
	return f.sign(u, c)
}

func (f *Flow) sign(u use, c claims) string {
	fields := [...][]byte{
		[]byte(f.purpose), []byte(f.wiki), c.browser[:], c.client[:], []byte(c.subject),
		binary.BigEndian.AppendUint64(nil, uint64(c.issued.UnixMilli())), c.nonce[:],
		[]byte(c.action), c.binding[:],
		c.code[:],
	}
	return f.keys.seal(u, fields[:shapes[u].fields]...)
}

// open returns what a text says if this flow made it and it is of the right age.
func (f *Flow) open(u use, text string) (claims, *keySet, error) {
	shape := shapes[u]
	fields, set, err := f.keys.open(u, text, shape.fields)
	if err != nil {
		return claims{}, nil, err
	}
	var c claims
	c.subject = string(fields[4])
	sized := fits(c.browser[:], fields[2]) && fits(c.client[:], fields[3]) && len(fields[5]) == 8 && fits(c.nonce[:], fields[6])
	if shape.fields > 7 {
		c.action = string(fields[7])
		sized = sized && fits(c.binding[:], fields[8])
	}
	if shape.fields > 9 {
		sized = sized && fits(c.code[:], fields[9])
	}
	if !sized {
		return claims{}, nil, ErrMalformed
	}
	if err := f.isFor(fields); err != nil {
		return claims{}, nil, err
	}
	c.issued = time.UnixMilli(int64(binary.BigEndian.Uint64(fields[5])))
	return c, set, checkAge(c.issued, shape.minAge, shape.life)
}

// isFor compares the first two fields of all that a flow seals.
func (f *Flow) isFor(fields [][]byte) error {
	switch {
	case !same(fields[0], []byte(f.purpose)):
		return errPurpose
	case !same(fields[1], []byte(f.wiki)):
		return errWiki
	}
	return nil
}

func fits(dst, src []byte) bool { return copy(dst, src) == len(dst) && len(src) == len(dst) }

func checkAge(issued time.Time, minAge, life time.Duration) error {
	switch age := time.Since(issued); {
	case age < min(minAge, 0):
		return errFuture
	case age < minAge:
		return ErrTooFast
	case age >= life:
		return ErrExpired
	}
	return nil
}
