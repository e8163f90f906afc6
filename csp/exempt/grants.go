package exempt

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

const (
	// maxGrants is how many tools one reader may let through at a time.
	maxGrants = 15
	// clockSkew is how far two nodes' clocks may differ.
	clockSkew = 2 * time.Second

	grantFixed = 1 + 4 + len(confirm.Binding{}) // bytes of a grant, besides the name
)

// grant is that a reader let a tool through.
type grant struct {
	// tool is the tool's name, or "localhost:PORT".
	tool string
	// issued is in whole seconds.
	issued time.Time
	// state is what the reader saw and confirmed.
	state confirm.Binding
}

// expires is when the grant ends.
func (g grant) expires() time.Time { return g.issued.Add(lifeOf(g.tool)) }

// current reports whether the grant's age is one at which it counts.
func (g grant) current(now time.Time) bool {
	return !now.Before(g.issued.Add(-clockSkew)) && now.Before(g.expires())
}

// holds reports whether the grant lets t, which may be nil, through.
func (g grant) holds(t *Tool, now time.Time) bool {
	return t != nil && g.tool == t.Name && g.state == t.state && g.current(now)
}

// grants are one reader's, in the order in which they were made. They never change.
type grants []grant

// add returns g with one more grant, in the place of the tool's former one.
func (g grants) add(one grant) (grants, error) {
	one.issued = time.Unix(one.issued.Unix(), 0)
	rest := g.without(one.tool)
	if len(rest) >= maxGrants {
		return g, errTooMany
	}
	return append(rest, one), nil
}

// without returns g without the tool's grant.
func (g grants) without(tool string) grants {
	return slices.DeleteFunc(slices.Clone(g), func(one grant) bool { return one.tool == tool })
}

// expires is when the last of the grants ends.
func (g grants) expires() (last time.Time) {
	for _, one := range g {
		if at := one.expires(); at.After(last) {
			last = at
		}
	}
	return last
}

// encode gives the grants in the form that the package's documentation describes. Names longer than 255 bytes and
// times that four bytes can't hold have none.
func (g grants) encode() (b []byte, err error) {
	for _, one := range g {
		if unix := one.issued.Unix(); one.tool == "" || len(one.tool) > 255 || unix < 0 || unix >= 1<<32 {
			return nil, errors.New("encoding grants: a name or a time is out of range")
		}
		b = append(b, byte(len(one.tool)))
		b = append(b, one.tool...)
		b = binary.BigEndian.AppendUint32(b, uint32(one.issued.Unix()))
		b = append(b, one.state[:]...)
	}
	return b, nil
}

// openGrants returns the grants in a cookie's value, if we made it for this wiki and this browser.
func openGrants(flow *confirm.Flow, browser confirm.BrowserID, value string) (grants, error) {
	body, err := flow.Kept(browser, value)
	if err != nil {
		return nil, err
	}
	g, err := decodeGrants(body)
	if err != nil {
		return nil, confirm.ErrMalformed
	}
	return g, nil
}

// decodeGrants reads what encode made, and nothing else.
func decodeGrants(b []byte) (g grants, err error) {
	for len(b) > 0 {
		size := int(b[0])
		if size == 0 || len(b) < grantFixed+size || len(g) == maxGrants {
			return nil, errors.New("decoding grants: not of their form")
		}
		one := grant{tool: string(b[1 : 1+size])}
		b = b[1+size:]
		one.issued = time.Unix(int64(binary.BigEndian.Uint32(b)), 0)
		b = b[4+copy(one.state[:], b[4:]):]
		if slices.ContainsFunc(g, func(other grant) bool { return other.tool == one.tool }) {
			return nil, errors.New("decoding grants: a tool stands there twice")
		}
		g = append(g, one)
	}
	return g, nil
}
