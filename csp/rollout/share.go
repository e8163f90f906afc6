package rollout

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// A Share is for how many clients a policy is enforced, in hundredths of a percent. The
// others' browsers only report.
type Share uint16

// The ends of a rollout.
const (
	Report  Share = 0
	Enforce Share = 100_00
)

// ParseShare reads "report", "enforce", or a percentage such as "5%" or "0.25%".
func ParseShare(text string) (Share, error) {
	switch text {
	case "report":
		return Report, nil
	case "enforce":
		return Enforce, nil
	}
	bad := fmt.Errorf("rollout %q is none of report, enforce and a percentage such as 5%% or 0.25%%", text)
	number, isPercentage := strings.CutSuffix(text, "%")
	whole, fraction, hasPoint := strings.Cut(number, ".")
	if !isPercentage || hasPoint && fraction == "" || len(fraction) > 2 || len(whole) > 3 {
		return 0, bad
	}
	percent, err := strconv.ParseUint(whole, 10, 16)
	if err != nil {
		return 0, bad
	}
	hundredths, err := strconv.ParseUint((fraction + "00")[:2], 10, 16)
	if err != nil || percent*100+hundredths > uint64(Enforce) {
		return 0, bad
	}
	return Share(percent*100 + hundredths), nil
}

// String returns the text that [ParseShare] reads, with "report" and "enforce" for 0 % and 100 %.
func (s Share) String() string {
	switch s {
	case Report:
		return "report"
	case Enforce:
		return "enforce"
	}
	text := fmt.Sprintf("%d.%02d", s/100, s%100)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "%"
}

// MarshalText implements encoding.TextMarshaler.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Share) UnmarshalText(text []byte) (err error) {
	*s, err = ParseShare(string(text))
	return err
}

// Groups tell which clients a policy is enforced for. They are safe for concurrent use.
type Groups struct{ places cipher.Block }

// NewGroups takes a key of 32 bytes. All nodes must have the same, and each site should
// have its own, lest the same clients be always first.
func NewGroups(key []byte) (*Groups, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("making groups: the key has %d bytes, not 32", len(key))
	}
	block, err := aes.NewCipher(key)
	return &Groups{block}, err
}

// Enforced reports whether the policy is enforced for the client of a mask.
//
// A mask is as long as a block of AES, so a single one makes its place: a
// pseudorandom permutation of all masks.
func (g *Groups) Enforced(mask netip.Addr, share Share) bool {
	switch share {
	case Report:
		return false
	case Enforce:
		return true
	}
	block := mask.As16()
	g.places.Encrypt(block[:], block[:])
	place, _ := bits.Mul64(binary.BigEndian.Uint64(block[:]), uint64(Enforce)) // even over 0 to 9999
	return place < uint64(share)
}
