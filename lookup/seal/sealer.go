package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/wikiveil/wikiveil/masking"
)

const (
	// chainLength is how many boxes one chain makes. Opening walks the chain: 65,536
	// steps take some milliseconds.
	chainLength = 1 << 16
	// chainLife bounds what a thief of the memory can open of what is still to come.
	chainLife = time.Hour
)

// A Sealer seals addresses. It is safe for concurrent use.
type Sealer struct {
	mode       Mode
	recipients []*Recipient

	mu    sync.Mutex
	chain chain
}

// chain is where the sealer stands; see the package documentation.
type chain struct {
	key   [shareSize]byte
	index uint32
	born  time.Time
	head  []byte // a body up to the chain index; nil before the first chain
}

// NewSealer seals to recipients, each of whom ([Any]) or only all together ([All]) can open.
func NewSealer(mode Mode, recipients ...*Recipient) (*Sealer, error) {
	if mode != Any && mode != All {
		return nil, fmt.Errorf("sealing to recipients: mode %v is not any or all", mode)
	}
	if len(recipients) == 0 {
		return nil, errors.New("sealing to recipients: there is none")
	}
	if len(recipients) > MaxRecipients {
		return nil, fmt.Errorf("sealing to recipients: %d are more than %d", len(recipients), MaxRecipients)
	}
	for i, r := range recipients {
		if slices.ContainsFunc(recipients[:i], func(o *Recipient) bool { return o.id == r.id }) {
			return nil, fmt.Errorf("sealing to recipients: %v is given twice", r)
		}
	}
	return &Sealer{mode: mode, recipients: slices.Clone(recipients)}, nil
}

// NewLocal seals under the epoch's own secret: the edge can open the boxes.
func NewLocal() *Sealer { return &Sealer{mode: Local} }

// Mode returns who can open the boxes.
func (s *Sealer) Mode() Mode { return s.mode }

// Seal seals an address and binds the box to its mask and to the epoch that made the mask.
func (s *Sealer) Seal(addr, mask netip.Addr, epoch masking.Epoch) (Box, error) {
	p, err := plain(addr)
	if err != nil {
		return Box{}, err
	}
	if !masking.Is(mask) {
		return Box{}, errors.New("sealing an address: it has no mask")
	}
	box := Box{Mask: mask, Epoch: epoch.ID()}
	if s.mode == Local {
		box.Body, err = sealLocal(p, box, epoch)
		return box, err
	}
	head, key, err := s.next(time.Now())
	if err != nil {
		return Box{}, err
	}
	aead, err := newGCM(key[:])
	if err != nil {
		return Box{}, err
	}
	box.Body = aead.Seal(head, make([]byte, nonceSize), p[:], boundTo(head, mask, box.Epoch))
	return box, nil
}

func sealLocal(p [plainSize]byte, box Box, epoch masking.Epoch) ([]byte, error) {
	aead, err := localGCM(epoch)
	if err != nil {
		return nil, err
	}
	head := append(make([]byte, 0, 2+nonceSize+sealedSize), boxVersion, byte(Local))
	head = head[:2+nonceSize]
	if _, err := rand.Read(head[2:]); err != nil {
		return nil, fmt.Errorf("sealing an address: %w", err)
	}
	return aead.Seal(head, head[2:], p[:], boundTo(head, box.Mask, box.Epoch)), nil
}

func localGCM(epoch masking.Epoch) (cipher.AEAD, error) {
	key, err := epoch.Key("seal/local")
	if err != nil {
		return nil, fmt.Errorf("deriving the sealing key: %w", err)
	}
	return newGCM(key)
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// next takes the next key of the chain, a new chain when the old one is worn out.
// The head has room for the sealed address.
func (s *Sealer) next(now time.Time) (head []byte, key [shareSize]byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.chain
	if age := now.Sub(c.born); c.head == nil || c.index == chainLength || age >= chainLife || age < 0 {
		if err := s.start(now); err != nil {
			return nil, key, err
		}
	}
	head = append(make([]byte, 0, len(c.head)+4+sealedSize), c.head...)
	head = binary.BigEndian.AppendUint32(head, c.index)
	key = boxKey(&c.key)
	step(&c.key)
	c.index++
	return head, key, nil
}

func boxKey(chain *[shareSize]byte) [sha256.Size]byte { return tagged("wikiveil/v1/box-key", chain) }

// step moves a chain on, in place so that the old key is gone.
func step(chain *[shareSize]byte) { *chain = tagged("wikiveil/v1/box-chain", chain) }

func tagged(tag string, key *[shareSize]byte) [sha256.Size]byte {
	var buf [64]byte
	n := copy(buf[:], tag)
	n += copy(buf[n:], key[:])
	sum := sha256.Sum256(buf[:n])
	clear(buf[:])
	return sum
}

// start begins a chain: its first key, or shares of it, sealed to the recipients.
func (s *Sealer) start(now time.Time) error {
	var key [shareSize]byte
	shares := make([][shareSize]byte, len(s.recipients))
	for i := range shares {
		if i == 0 || s.mode == All {
			if _, err := rand.Read(shares[i][:]); err != nil {
				return fmt.Errorf("sealing an address: %w", err)
			}
			subtle.XORBytes(key[:], key[:], shares[i][:])
		} else {
			shares[i] = shares[0]
		}
	}
	info := hpkeInfo(s.mode, s.ids())
	head := []byte{boxVersion, byte(s.mode), byte(len(s.recipients))}
	for i, r := range s.recipients {
		enc, sender, err := hpke.NewSender(r.key, hpke.HKDFSHA256(), hpke.AES256GCM(), info)
		if err != nil {
			return fmt.Errorf("sealing to recipient %s: %w", r.ID(), err)
		}
		sealed, err := sender.Seal(nil, shares[i][:])
		if err != nil {
			return fmt.Errorf("sealing to recipient %s: %w", r.ID(), err)
		}
		head = append(append(append(head, r.id[:]...), enc...), sealed...)
	}
	clear(shares)
	s.chain = chain{key: key, born: now, head: head}
	return nil
}

func (s *Sealer) ids() []recipientID {
	ids := make([]recipientID, len(s.recipients))
	for i, r := range s.recipients {
		ids[i] = r.id
	}
	return ids
}

// hpkeInfo ties a share to the mode and to the whole set of recipients.
func hpkeInfo(mode Mode, ids []recipientID) []byte {
	info := append([]byte("wikiveil/v1/seal"), byte(mode))
	for _, id := range ids {
		info = append(info, id[:]...)
	}
	return info
}
