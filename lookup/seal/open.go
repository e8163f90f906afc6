package seal

import (
	"crypto/cipher"
	"crypto/hpke"
	"crypto/subtle"
	"fmt"
	"net/netip"

	"github.com/wikiveil/wikiveil/masking"
)

// Open opens a box that was sealed to recipients, with one of their identities
// ([Any]) or those of all ([All]). What it returns belongs to the box's mask and epoch:
// a caller who asked for a certain mask compares it with the box's.
func Open(box Box, identities ...*Identity) (netip.Addr, error) {
	b, err := parseBody(box.Body)
	if err != nil {
		return netip.Addr{}, err
	}
	if b.mode == Local {
		return netip.Addr{}, fmt.Errorf("%w: the edge opens it by itself", ErrMode)
	}
	key, err := chainKey(b, identities)
	if err != nil {
		return netip.Addr{}, err
	}
	for range b.index {
		step(&key)
	}
	last := boxKey(&key)
	aead, err := newGCM(last[:])
	if err != nil {
		return netip.Addr{}, err
	}
	return open(b, box, aead, make([]byte, nonceSize))
}

// OpenLocal opens a box that the edge sealed to itself.
func OpenLocal(box Box, epoch masking.Epoch) (netip.Addr, error) {
	b, err := parseBody(box.Body)
	if err != nil {
		return netip.Addr{}, err
	}
	if b.mode != Local {
		return netip.Addr{}, fmt.Errorf("%w: its recipients' identities open it", ErrMode)
	}
	aead, err := localGCM(epoch)
	if err != nil {
		return netip.Addr{}, err
	}
	return open(b, box, aead, b.nonce)
}

func open(b body, box Box, aead cipher.AEAD, nonce []byte) (netip.Addr, error) {
	p, err := aead.Open(nil, nonce, b.sealed, boundTo(b.head, box.Mask, box.Epoch))
	if err != nil {
		return netip.Addr{}, ErrDamaged
	}
	return parsePlain(p)
}

// chainKey opens the shares and puts the chain's first key together.
func chainKey(b body, identities []*Identity) (key [shareSize]byte, err error) {
	ids := make([]recipientID, len(b.slots))
	for i, s := range b.slots {
		ids[i] = s.id
	}
	info := hpkeInfo(b.mode, ids)
	var missing []recipientID
	for _, s := range b.slots {
		identity := find(identities, s.id)
		if identity == nil {
			missing = append(missing, s.id)
			continue
		}
		share, err := openShare(s, identity, info)
		if err != nil {
			return key, err
		}
		if b.mode == Any {
			return share, nil
		}
		subtle.XORBytes(key[:], key[:], share[:])
	}
	if len(missing) > 0 {
		need := "one of"
		if b.mode == All {
			need = "also"
		}
		return key, fmt.Errorf("%w: it needs %s %v", ErrNoIdentity, need, missing)
	}
	return key, nil
}

func openShare(s slot, identity *Identity, info []byte) (share [shareSize]byte, err error) {
	r, err := hpke.NewRecipient(s.enc, identity.key, hpke.HKDFSHA256(), hpke.AES256GCM(), info)
	if err != nil {
		return share, ErrDamaged
	}
	p, err := r.Open(nil, s.share)
	if err != nil || len(p) != shareSize {
		return share, ErrDamaged
	}
	return [shareSize]byte(p), nil
}

func find(identities []*Identity, id recipientID) *Identity {
	for _, i := range identities {
		if i != nil && i.recipient.id == id {
			return i
		}
	}
	return nil
}
