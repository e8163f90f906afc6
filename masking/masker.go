package masking

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"net/netip"
	"slices"
	"sync"
)

const (
	// MinSecretSize is the least number of bytes an epoch's secret may have.
	MinSecretSize = 32

	// DefaultV6Prefix is the number of leading bits of an IPv6 client address that
	// make its mask: a /64 is what one household or one phone usually holds.
	DefaultV6Prefix = 64

	// SaltSize is how many bytes a client's salt has. No address is so long that a salted body could be another one's without salt.
	SaltSize = 16

	siteKeySize = 32
	infoPrefix  = "wikiveil/v1/"
)

// Errors that callers may test for.
var (
	ErrShortSecret    = fmt.Errorf("secret is shorter than %d bytes", MinSecretSize)
	ErrV6Prefix       = errors.New("IPv6 client prefix is not 48, 56, 64 or 128")
	ErrInvalidAddress = errors.New("not an IP address")
	ErrInvalidPrefix  = errors.New("not an IP range")
	ErrEmptyName      = errors.New("network name is empty")
	ErrEmptySession   = errors.New("session id is empty")
	ErrSalts          = errors.New("the client's salts are not those of the epochs in use")
)

// Space is the range all masks are in: ORCHIDv2's, RFC 7343.
var Space = netip.MustParsePrefix("2001:20::/28")

// The first four bytes of a mask: 28 bits of ORCHIDv2 prefix, 4 bits of OGA identifier.
var (
	clientHead  = [4]byte{0x20, 0x01, 0x00, 0x2f}
	networkHead = [4]byte{0x20, 0x01, 0x00, 0x2e}
)

// Domain separators: kind || 0x00.
const (
	kindClient  = "client\x00"
	kindCircuit = "circuit\x00"
	kindSession = "session\x00"
	kindRange   = "range\x00"
	kindNetwork = "network\x00"
)

// Is reports whether addr is a mask of any kind.
func Is(addr netip.Addr) bool { return Space.Contains(addr) }

// IsNetwork reports whether addr is the mask of a range or of a named network.
func IsNetwork(addr netip.Addr) bool {
	if !addr.Is6() {
		return false
	}
	b := addr.As16()
	return [4]byte(b[:4]) == networkHead
}

// Masker makes masks with one epoch's secret for one site label.
// It is safe for concurrent use and must not be copied.
type Masker struct {
	v6Prefix int
	hashers  sync.Pool
}

// NewMasker derives the site's key from an epoch's secret of at least
// [MinSecretSize] bytes. v6Prefix is how many leading bits of an IPv6 client
// address count, one of 48, 56, 64 and 128; 0 means [DefaultV6Prefix].
func NewMasker(secret []byte, site string, v6Prefix int) (*Masker, error) {
	if v6Prefix == 0 {
		v6Prefix = DefaultV6Prefix
	}
	if !slices.Contains([]int{48, 56, 64, 128}, v6Prefix) {
		return nil, fmt.Errorf("%w: %d", ErrV6Prefix, v6Prefix)
	}
	key, err := DeriveKey(secret, "mask/"+site)
	if err != nil {
		return nil, err
	}
	m := &Masker{v6Prefix: v6Prefix}
	// A reset HMAC costs a third of a new one: it keeps the two padded key blocks hashed.
	m.hashers.New = func() any { return &hasher{mac: hmac.New(sha256.New, key)} }
	return m, nil
}

// DeriveKey derives the 32-byte key for one use from an epoch's secret:
// HKDF-SHA-256 (RFC 5869) without salt, info "wikiveil/v1/" || use.
func DeriveKey(secret []byte, use string) ([]byte, error) {
	if len(secret) < MinSecretSize {
		return nil, fmt.Errorf("%w: it has %d", ErrShortSecret, len(secret))
	}
	return hkdf.Key(sha256.New, secret, nil, infoPrefix+use, siteKeySize)
}

// Client returns the mask of a client address. IPv4-mapped addresses count as
// IPv4, a zone does not count, and of an IPv6 address only the client prefix does.
// A circuit ([IsCircuit]) has a mask of its own.
func (m *Masker) Client(addr netip.Addr) (netip.Addr, error) { return m.Salted(nil, addr) }

// Salted returns the mask of a client address that has a salt of its own, of [SaltSize] bytes. Without a salt it is [Masker.Client].
func (m *Masker) Salted(salt []byte, addr netip.Addr) (netip.Addr, error) {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() {
		return netip.Addr{}, ErrInvalidAddress
	}
	if IsCircuit(addr) {
		return m.circuit(salt, addr), nil
	}
	if addr.Is6() {
		prefix, err := addr.Prefix(m.v6Prefix)
		if err != nil {
			return netip.Addr{}, err
		}
		addr = prefix.Addr()
	}
	h := m.hasher()
	h.buf = append(append(h.buf[:0], kindClient...), salt...)
	h.appendFamily(addr)
	h.appendAddr(addr)
	return m.sum(h, clientHead), nil
}

// Block returns the mask that stands for the clients of a range that is to be blocked: the client's own if the range is
// within one client, else the range's. An app knows the latter only where the range's length is among the site's.
func (m *Masker) Block(prefix netip.Prefix) (netip.Addr, error) {
	if m.OneClient(prefix) {
		return m.Client(prefix.Addr())
	}
	return m.Range(prefix)
}

// OneClient reports whether all addresses of a range have one client mask.
func (m *Masker) OneClient(prefix netip.Prefix) bool {
	if addr := prefix.Addr(); addr.Is4() || addr.Is4In6() {
		return prefix.Bits() == addr.BitLen()
	}
	return prefix.Bits() >= m.v6Prefix
}

// V6Prefix is how many leading bits of an IPv6 client address count.
func (m *Masker) V6Prefix() int { return m.v6Prefix }

// Range returns the mask of a CIDR range. Host bits do not count; a range of
// IPv4-mapped addresses is the IPv4 range.
func (m *Masker) Range(prefix netip.Prefix) (netip.Addr, error) {
	if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	prefix = prefix.Masked()
	if !prefix.IsValid() {
		return netip.Addr{}, ErrInvalidPrefix
	}
	h := m.hasher()
	h.buf = append(h.buf[:0], kindRange...)
	h.appendFamily(prefix.Addr())
	h.buf = append(h.buf, byte(prefix.Bits()))
	h.appendAddr(prefix.Addr())
	return m.sum(h, networkHead), nil
}

// Network returns the mask of a named network, such as "tor".
func (m *Masker) Network(name string) (netip.Addr, error) {
	if name == "" {
		return netip.Addr{}, ErrEmptyName
	}
	h := m.hasher()
	h.buf = append(append(h.buf[:0], kindNetwork...), name...)
	return m.sum(h, networkHead), nil
}

// Session returns the mask of a session, for clients known by a session rather than an address.
func (m *Masker) Session(id []byte) (netip.Addr, error) {
	if len(id) == 0 {
		return netip.Addr{}, ErrEmptySession
	}
	h := m.hasher()
	h.buf = append(append(h.buf[:0], kindSession...), id...)
	return m.sum(h, clientHead), nil
}

type hasher struct {
	mac hash.Hash
	buf []byte
}

func (m *Masker) hasher() *hasher { return m.hashers.Get().(*hasher) }

func (h *hasher) appendFamily(addr netip.Addr) {
	if addr.Is4() {
		h.buf = append(h.buf, 4)
		return
	}
	h.buf = append(h.buf, 6)
}

func (h *hasher) appendAddr(addr netip.Addr) {
	if addr.Is4() {
		b := addr.As4()
		h.buf = append(h.buf, b[:]...)
		return
	}
	b := addr.As16()
	h.buf = append(h.buf, b[:]...)
}

// sum finishes the mask of what h.buf holds and hands h back.
func (m *Masker) sum(h *hasher, head [4]byte) netip.Addr {
	h.mac.Reset()
	h.mac.Write(h.buf)
	h.buf = h.mac.Sum(h.buf[:0])
	var mask [16]byte
	copy(mask[:4], head[:])
	copy(mask[4:], h.buf[:12])
	m.hashers.Put(h)
	return netip.AddrFrom16(mask)
}
