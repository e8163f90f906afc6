package exempt

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

const (
	// MaxGrants is how many tools one reader may let through at a time.
	MaxGrants = 15
	// clockSkew is how far two nodes' clocks may differ.
	clockSkew = 2 * time.Second

	grantVersion = 1
	grantFixed   = 1 + 4 + len(confirm.Binding{}) // of a grant, besides the name
)

// Grant is that a reader let a tool through.
type Grant struct {
	// Tool is the tool's name, or "localhost:PORT".
	Tool string
	// Issued is in whole seconds.
	Issued time.Time
	// State is what the reader saw and confirmed.
	State confirm.Binding
}

// Expires is when the grant ends.
func (g Grant) Expires() time.Time {
	if strings.HasPrefix(g.Tool, localPrefix) {
		return g.Issued.Add(LocalLife)
	}
	return g.Issued.Add(Life)
}

// current tells whether the grant's age is one at which it counts.
func (g Grant) current(now time.Time) bool {
	return !now.Before(g.Issued.Add(-clockSkew)) && now.Before(g.Expires())
}

// holds tells whether the grant lets t, which may be nil, through.
func (g Grant) holds(t *Tool, now time.Time) bool {
	return t != nil && g.Tool == t.Name && g.State == t.state && g.current(now)
}

// Grants are one reader's. They never change: Add and Remove return others. The zero
// Grants are none.
type Grants struct{ list []Grant }

// List returns the grants in the order in which they were made.
func (g Grants) List() []Grant { return slices.Clone(g.list) }

// Len returns how many there are.
func (g Grants) Len() int { return len(g.list) }

// Add returns g with one more grant, in the place of the tool's former one. Over
// [MaxGrants] it is [ErrTooMany].
func (g Grants) Add(one Grant) (Grants, error) {
	one.Issued = time.Unix(one.Issued.Unix(), 0)
	rest := g.Remove(one.Tool)
	if len(rest.list) >= MaxGrants {
		return g, ErrTooMany
	}
	return Grants{append(rest.list, one)}, nil
}

// Remove returns g without the tool's grant.
func (g Grants) Remove(tool string) Grants {
	return g.filter(func(one Grant) bool { return one.Tool != tool })
}

func (g Grants) filter(keep func(Grant) bool) Grants {
	var list []Grant
	for _, one := range g.list {
		if keep(one) {
			list = append(list, one)
		}
	}
	return Grants{list}
}

// Expires is when the last of the grants ends.
func (g Grants) Expires() (last time.Time) {
	for _, one := range g.list {
		if at := one.Expires(); at.After(last) {
			last = at
		}
	}
	return last
}

// AppendBinary appends the grants in the form that the package's documentation
// describes. Names longer than 255 bytes and times that four bytes can't hold have none.
func (g Grants) AppendBinary(b []byte) ([]byte, error) {
	for _, one := range g.list {
		if unix := one.Issued.Unix(); one.Tool == "" || len(one.Tool) > 255 || unix < 0 || unix >= 1<<32 {
			return nil, errors.New("encoding grants: a name or a time is out of range")
		}
		b = append(b, byte(len(one.Tool)))
		b = append(b, one.Tool...)
		b = binary.BigEndian.AppendUint32(b, uint32(one.Issued.Unix()))
		b = append(b, one.State[:]...)
	}
	return b, nil
}

// UnmarshalBinary reads what AppendBinary appended, and nothing else.
func (g *Grants) UnmarshalBinary(b []byte) error {
	var list []Grant
	for len(b) > 0 {
		size := int(b[0])
		if size == 0 || len(b) < grantFixed+size || len(list) == MaxGrants {
			return errors.New("decoding grants: not of their form")
		}
		one := Grant{Tool: string(b[1 : 1+size])}
		b = b[1+size:]
		one.Issued = time.Unix(int64(binary.BigEndian.Uint32(b)), 0)
		b = b[4+copy(one.State[:], b[4:]):]
		if slices.ContainsFunc(list, func(other Grant) bool { return other.Tool == one.Tool }) {
			return errors.New("decoding grants: a tool stands there twice")
		}
		list = append(list, one)
	}
	g.list = list
	return nil
}
