package access

import (
	"fmt"
	"net/http"
)

// A Right is something that not everybody may do.
type Right uint8

// The rights.
const (
	Info   Right = 1 << iota // look up and compare masks
	Reveal                   // turn a mask back into an address
	Audit                    // read the audit log
)

var rightNames = map[Right]string{Info: "info", Reveal: "reveal", Audit: "audit"}

// String returns the right's name.
func (r Right) String() string {
	if name, ok := rightNames[r]; ok {
		return name
	}
	return fmt.Sprintf("right %d", uint8(r))
}

// ParseRight reads a right's name.
func ParseRight(name string) (Right, error) {
	for r, n := range rightNames {
		if n == name {
			return r, nil
		}
	}
	return 0, fmt.Errorf("right %q is not one of info, reveal, audit", name)
}

// Rights is a set of rights.
type Rights uint8

// RightsOf returns the set of some rights.
func RightsOf(rights ...Right) (set Rights) {
	for _, r := range rights {
		set |= Rights(r)
	}
	return set
}

// Has reports whether a right is in the set.
func (s Rights) Has(r Right) bool { return r != 0 && s&Rights(r) == Rights(r) }

// What users' ids start with, by where they are from: no id of one place is one of another.
const (
	WikiUsers  = "wiki:" // a wiki's, by their number
	FixedUsers = "user:" // those of an authentication in front
)

// A User is somebody who is logged in.
type User struct {
	// ID stays the same as long as the account exists. The audit and the quotas go by it.
	ID string
	// Name is what people know the user by; it may change.
	Name   string
	Rights Rights
}

// A Resolver tells who makes a request and what they may do.
type Resolver interface {
	// User returns the user of a request, or a [*refusal.Refusal] if there is none or it can't
	// be told. It is called for each request and must bound its own time.
	User(r *http.Request) (User, error)
}

// Fixed takes users from an authentication in front of it, and their rights from a list.
type Fixed struct {
	// ID returns the authenticated user's id and name, or "" for nobody.
	ID func(r *http.Request) (id, name string)
	// Rights are each user's, by id. Users who are not in it have none.
	Rights map[string]Rights
}

// User implements [Resolver].
func (f Fixed) User(r *http.Request) (User, error) {
	id, name := f.ID(r)
	if id == "" {
		return User{}, anonymous(nil)
	}
	return User{ID: FixedUsers + id, Name: name, Rights: f.Rights[id]}, nil
}

// Interface guard.
var _ Resolver = Fixed{}
