package seal

import (
	"encoding"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/wikiveil/wikiveil/masking"
)

// A Mode says who can open a box.
type Mode byte

// The modes.
const (
	Any   Mode = 1 // each recipient alone
	All   Mode = 2 // the recipients only together
	Local Mode = 3 // the edge, with the epoch's secret
)

// ParseMode reads "any", "all" or "local".
func ParseMode(text string) (Mode, error) {
	for _, m := range []Mode{Any, All, Local} {
		if m.String() == text {
			return m, nil
		}
	}
	return 0, fmt.Errorf("seal mode %q is not any, all or local", text)
}

func (m Mode) String() string {
	switch m {
	case Any:
		return "any"
	case All:
		return "all"
	case Local:
		return "local"
	}
	return fmt.Sprintf("mode %d", byte(m))
}

// MaxRecipients is the most recipients one sealer can have: each box carries 88 bytes for each.
const MaxRecipients = 16

const (
	boxVersion  = 1
	boxPrefix   = "wikiveil-box-"
	shareSize   = 32
	tagSize     = 16
	nonceSize   = 12
	encSize     = 32
	plainSize   = 17
	sealedSize  = plainSize + tagSize
	slotSize    = idSize + encSize + shareSize + tagSize
	maxEpochID  = 64
	maxTextSize = 4 << 10
)

// Errors that callers may test for.
var (
	ErrMalformed  = errors.New("not a sealed box")
	ErrNoIdentity = errors.New("an identity that the box needs is missing")
	ErrMode       = errors.New("box was sealed in another way")
	ErrDamaged    = errors.New("box does not open: it was changed, or belongs to another mask, epoch or key")
)

// A Box is a sealed address with what it is bound to.
type Box struct {
	Mask  netip.Addr // the mask of the address
	Epoch string     // the id of the epoch that made the mask
	Body  []byte     // see the package's formats
}

// Mode returns who can open the box, 0 if the body is malformed.
func (b Box) Mode() Mode {
	p, err := parseBody(b.Body)
	if err != nil {
		return 0
	}
	return p.mode
}

// Recipients returns the ids of the recipients the box was sealed to; see [Recipient.ID].
func (b Box) Recipients() []string {
	p, err := parseBody(b.Body)
	if err != nil {
		return nil
	}
	var ids []string
	for _, s := range p.slots {
		ids = append(ids, s.id.String())
	}
	return ids
}

// String returns the text form, which [ParseBox] reads. It gives the mask away, not the address.
func (b Box) String() string {
	mask := b.Mask.As16()
	raw := append([]byte{boxVersion}, mask[:]...)
	raw = append(append(raw, byte(len(b.Epoch))), b.Epoch...)
	return boxPrefix + base64.RawURLEncoding.EncodeToString(append(raw, b.Body...))
}

// MarshalText returns the text form.
func (b Box) MarshalText() ([]byte, error) {
	if !masking.Is(b.Mask) || len(b.Epoch) > maxEpochID {
		return nil, ErrMalformed
	}
	return []byte(b.String()), nil
}

// UnmarshalText reads the text form; see [ParseBox].
func (b *Box) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBox(string(text))
	return err
}

// ParseBox reads a box's text form. Space around it and line breaks in it, as mail
// programs make them, don't count.
func ParseBox(text string) (Box, error) {
	text = strings.Join(strings.Fields(text), "")
	rest, ok := strings.CutPrefix(text, boxPrefix)
	if !ok || len(text) > maxTextSize {
		return Box{}, ErrMalformed
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(raw) < 18 || raw[0] != boxVersion || len(raw) < 18+int(raw[17]) || raw[17] > maxEpochID {
		return Box{}, ErrMalformed
	}
	end := 18 + int(raw[17])
	b := Box{Mask: netip.AddrFrom16([16]byte(raw[1:17])), Epoch: string(raw[18:end]), Body: raw[end:]}
	if !masking.Is(b.Mask) {
		return Box{}, fmt.Errorf("%w: it is not bound to a mask", ErrMalformed)
	}
	_, err = parseBody(b.Body)
	return b, err
}

// slot is one recipient's part of a body.
type slot struct {
	id    recipientID
	enc   []byte
	share []byte // sealed
}

// body is a parsed body. Its slices point into what was parsed.
type body struct {
	mode   Mode
	slots  []slot
	index  uint32
	nonce  []byte
	head   []byte // all before the sealed address
	sealed []byte
}

func parseBody(data []byte) (body, error) {
	if len(data) < 2 || data[0] != boxVersion {
		return body{}, ErrMalformed
	}
	b := body{mode: Mode(data[1])}
	size := 2
	switch b.mode {
	case Local:
		size += nonceSize
	case Any, All:
		if len(data) < 3 || data[2] == 0 || data[2] > MaxRecipients {
			return body{}, ErrMalformed
		}
		size += 1 + int(data[2])*slotSize + 4
	default:
		return body{}, ErrMalformed
	}
	if len(data) != size+sealedSize {
		return body{}, ErrMalformed
	}
	b.head, b.sealed = data[:size], data[size:]
	if b.mode == Local {
		b.nonce = data[2:size]
		return b, nil
	}
	for rest := data[3 : size-4]; len(rest) > 0; rest = rest[slotSize:] {
		b.slots = append(b.slots, slot{
			id:    recipientID(rest),
			enc:   rest[idSize : idSize+encSize],
			share: rest[idSize+encSize : slotSize],
		})
	}
	b.index = binary.BigEndian.Uint32(data[size-4:])
	if b.index >= chainLength {
		return body{}, ErrMalformed
	}
	return b, nil
}

// boundTo is the additional data that ties a sealed address to its place.
func boundTo(head []byte, mask netip.Addr, epoch string) []byte {
	m := mask.As16()
	aad := make([]byte, 0, 15+len(head)+len(m)+len(epoch))
	aad = append(append(aad, "wikiveil/v1/box"...), head...)
	return append(append(aad, m[:]...), epoch...)
}

// plain is an address before it is sealed: the same length for both families.
func plain(addr netip.Addr) (p [plainSize]byte, err error) {
	addr = addr.Unmap().WithZone("")
	switch {
	case addr.Is4():
		p[0] = 4
		b := addr.As4()
		copy(p[1:], b[:])
	case addr.Is6():
		p[0] = 6
		b := addr.As16()
		copy(p[1:], b[:])
	default:
		return p, masking.ErrInvalidAddress
	}
	return p, nil
}

func parsePlain(p []byte) (netip.Addr, error) {
	if len(p) == plainSize {
		switch {
		case p[0] == 4 && [12]byte(p[5:]) == [12]byte{}:
			return netip.AddrFrom4([4]byte(p[1:])), nil
		case p[0] == 6:
			return netip.AddrFrom16([16]byte(p[1:])), nil
		}
	}
	return netip.Addr{}, ErrMalformed
}

var (
	_ encoding.TextMarshaler   = Box{}
	_ encoding.TextUnmarshaler = (*Box)(nil)
)
