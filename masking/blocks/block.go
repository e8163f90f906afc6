package blocks

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/internal/text"
	"github.com/wikiveil/wikiveil/masking"
)

// Limits of a block and of a list.
const (
	MaxReason = 500 // bytes
	MaxBy     = 255 // bytes
	MaxBlocks = 500_000
)

// A Block refuses the clients that have one mask.
type Block struct {
	// Mask is a client's mask or a network mask.
	Mask netip.Addr `json:"mask"`
	// Expires is when the block ends, to the second; zero is never.
	Expires time.Time `json:"expires,omitzero"`
	// Reason is shown to those who are blocked.
	Reason string `json:"reason,omitempty"`
	// By is the id of the user who blocks.
	By string `json:"by"`
	// Created is set by [List.Add], to the second.
	Created time.Time `json:"created"`
}

// Active reports whether the block holds at a time.
func (b Block) Active(now time.Time) bool { return b.Expires.IsZero() || now.Before(b.Expires) }

// Errors of a block, for callers to test for. None quotes what was given, which may be an address.
var (
	ErrNotMask = errors.New("not a mask: masks are in 2001:2e::/32 (networks) and 2001:2f::/32 (clients)")
	ErrLength  = errors.New("a mask stands alone, without a slash and a length: with one it would be a far wider range")
	ErrReason  = errors.New("reason is not up to 500 bytes of printable text")
	ErrBy      = errors.New("who blocks is not 1 to 255 bytes of printable text")
	ErrExpired = errors.New("expiry is not in the future")
	ErrFull    = fmt.Errorf("the list is full: it has %d blocks", MaxBlocks)
)

// ParseMask reads the mask that is to be blocked, as a person writes it.
//
// Errors: [ErrLength], [ErrNotMask].
func ParseMask(text string) (netip.Addr, error) {
	text = strings.TrimSpace(text)
	if strings.Contains(text, "/") {
		return netip.Addr{}, ErrLength
	}
	mask, err := netip.ParseAddr(text)
	if err != nil || !isMask(mask) {
		return netip.Addr{}, ErrNotMask
	}
	return mask, nil
}

// isMask: of the space of all masks, two parts are in use.
func isMask(a netip.Addr) bool {
	return masking.Is(a) && (masking.IsNetwork(a) || a.As16()[3] == 0x2f)
}

// Validate reports what is wrong with a block that is to be added now.
//
// Errors: [ErrNotMask], [ErrReason], [ErrBy], [ErrExpired].
func (b Block) Validate() error {
	if err := b.validate(); err != nil {
		return err
	}
	b.Expires = b.Expires.Truncate(time.Second) // as it is stored
	if !b.Active(time.Now()) {
		return ErrExpired
	}
	return nil
}

// validate reports what is wrong with a block, its expiry aside.
func (b Block) validate() error {
	switch {
	case !isMask(b.Mask):
		return ErrNotMask
	case !text.Printable(b.Reason, MaxReason):
		return ErrReason
	case b.By == "" || !text.Printable(b.By, MaxBy):
		return ErrBy
	}
	return nil
}
