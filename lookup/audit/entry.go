package audit

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/internal/text"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/spelling"
)

// An Action is what was done.
type Action uint8

// The actions. Their numbers are part of the format.
const (
	Info    Action = 1 + iota // information about a mask
	Compare                   // comparison of masks
	Reveal                    // a mask turned back into an address
	Block                     // a mask or network mask blocked at the edge
	Unblock                   // that block removed
	Read                      // this log read
	Loss                      // a loss of this log's own entries accepted
	Members                   // the clients of a network, some named
)

var actionNames = [...]string{Info: "info", Compare: "compare", Reveal: "reveal", Block: "block", Unblock: "unblock", Read: "read", Loss: "loss", Members: "members"}

// Valid reports whether a is one of the actions.
func (a Action) Valid() bool { return a > 0 && int(a) < len(actionNames) }

// String returns the action's name.
func (a Action) String() string {
	if !a.Valid() {
		return fmt.Sprintf("action %d", uint8(a))
	}
	return actionNames[a]
}

// MarshalText gives the action's name.
func (a Action) MarshalText() ([]byte, error) {
	if !a.Valid() {
		return nil, fmt.Errorf("%w: %d", ErrAction, uint8(a))
	}
	return []byte(a.String()), nil
}

// UnmarshalText reads an action's name.
func (a *Action) UnmarshalText(text []byte) error {
	i := slices.Index(actionNames[1:], string(text))
	if i < 0 {
		return ErrAction
	}
	*a = Action(i + 1)
	return nil
}

// repeats reports whether an action is written once a day only: it changes nothing, and tells nothing
// anew. Members may: who watches a network is seen to.
func (a Action) repeats() bool { return a == Info || a == Compare || a == Read }

// anchored reports whether an action waits until the head with it is stored outside of the file.
func (a Action) anchored() bool { return a == Reveal || a == Loss }

// Limits of an entry.
const (
	MaxPerformer = 255  // bytes
	MaxReason    = 1000 // bytes
	MaxMasks     = 64
)

// An Entry is one action of one performer.
type Entry struct {
	// Sequence, Time (to the millisecond) and Previous, the hash of the entry before, are
	// set by the log; [Log.Append] ignores what they hold.
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	Previous Hash      `json:"previous"`

	// Performer is the id of the user who acts. What it starts with tells where it is from, so that
	// nobody acts in the name of another's users: "wiki:42", "user:alice", "admin:root".
	Performer string `json:"performer"`
	// Name is what people knew the performer by then; it may be missing.
	Name   string `json:"name,omitempty"`
	Action Action `json:"action"`
	// Masks are what is acted on, as a set: the log keeps them sorted, each once.
	Masks []netip.Addr `json:"masks"`
	// Reason is the performer's own. A reveal needs one, and so does a loss.
	Reason string `json:"reason,omitempty"`
}

// Errors of an entry, for callers to test for. None quotes the entry.
var (
	ErrAction    = errors.New("unknown action")
	ErrPerformer = errors.New("performer is not 1 to 255 bytes of printable text")
	ErrReason    = errors.New("reason is not up to 1000 bytes of printable text")
	ErrNoReason  = errors.New("a reason is needed")
	ErrMasks     = errors.New("masks are not 64 at most, and one at least where masks are looked up or blocked")
	ErrNotMask   = errors.New("not a mask")
)

// Validate reports what is wrong with an entry that is to be appended.
func (e Entry) Validate() error {
	switch {
	case !e.Action.Valid():
		return ErrAction
	case e.Performer == "" || !text.Printable(e.Performer, MaxPerformer) || !text.Printable(e.Name, MaxPerformer):
		return ErrPerformer
	case !text.Printable(e.Reason, MaxReason):
		return ErrReason
	case e.Action.anchored() && strings.TrimSpace(e.Reason) == "":
		return ErrNoReason
	case len(e.Masks) > MaxMasks || len(e.Masks) == 0 && e.Action != Read && e.Action != Loss:
		return ErrMasks
	}
	// An address that comes here by mistake must not be kept, nor be in the error.
	for i, m := range e.Masks {
		if !masking.Is(m) {
			return fmt.Errorf("mask %d of %d: %w", i+1, len(e.Masks), ErrNotMask)
		}
	}
	return nil
}

// maskSet returns masks sorted, each once.
func maskSet(masks []netip.Addr) []netip.Addr {
	set := slices.Clone(masks)
	slices.SortFunc(set, netip.Addr.Compare)
	return slices.Compact(set)
}

// ErrAddress is why a text is not kept.
var ErrAddress = errors.New("has an IP address in it: write the mask in its place")

// CheckReason refuses a reason with an address in it: it would outlive the mask's epoch in the log, and be
// shown to whoever is blocked.
func CheckReason(reason string) error { return CheckNoAddress("the reason", reason) }

// CheckNoAddress refuses a text that is kept, if an address is in it. What says what the text is.
func CheckNoAddress(what, text string) error {
	found := false
	spelling.ReplaceIn(text, func(addr netip.Addr) (string, bool) {
		found = found || !masking.Is(addr) && !addr.IsUnspecified()
		return "", false
	})
	if found {
		return fmt.Errorf("%s %w", what, ErrAddress)
	}
	return nil
}
