package sightings

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"net/netip"
	"sync"

	"github.com/wikiveil/wikiveil/masking"
)

// A value in the store: version (1 byte) = 1 | nonce (12) | AES-256-GCM of a note | tag (16).
// Its key is the epoch's for "records/" || day, with the version and the entry's key as
// additional data, so that a value opens only in its own place.
const (
	valueVersion = 1
	nonceSize    = 12
	tagSize      = 16
)

// vault has the keys of one part. It is safe for concurrent use.
type vault struct {
	part Part
	aead cipher.AEAD // with random nonces: one key a day stays far below 2^32 values
	macs sync.Pool
}

func newVault(epoch masking.Epoch, day Day) (*vault, error) {
	v := &vault{part: Part{Day: day, Epoch: epoch.ID()}}
	key, err := epoch.Key("records/" + day.String())
	if err != nil {
		return nil, fmt.Errorf("deriving the key of records: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if v.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, err
	}
	index, err := epoch.Key("records/" + day.String() + "/index")
	if err != nil {
		return nil, fmt.Errorf("deriving the key of the index: %w", err)
	}
	v.macs.New = func() any { return hmac.New(sha256.New, index) }
	return v, nil
}

// ref is where a mask's values are. Masks stand in public histories, so the store holds
// a keyed hash of them, another one each day: whoever takes the store learns how many
// clients a day had, not which mask came on which days.
func (v *vault) ref(mask netip.Addr) Ref {
	mac := v.macs.Get().(hash.Hash)
	defer v.macs.Put(mac)
	mac.Reset()
	m := mask.As16()
	mac.Write(m[:])
	return v.refOf(mac)
}

func (v *vault) refOf(mac hash.Hash) Ref {
	var sum [sha256.Size]byte
	mac.Sum(sum[:0])
	return Ref{Part: v.part, Key: Key(sum[:KeySize])}
}

func (v *vault) lock(ref Ref, n note) Entry { return v.seal(ref, n.encode()) }

func (v *vault) seal(ref Ref, plain []byte) Entry {
	value := make([]byte, 1, 1+nonceSize+len(plain)+tagSize)
	value[0] = valueVersion
	return Entry{Ref: ref, Value: v.aead.Seal(value, nil, plain, valueAAD(ref.Key))}
}

func (v *vault) unseal(e Entry) ([]byte, error) {
	if len(e.Value) < 1 || e.Value[0] != valueVersion {
		return nil, fmt.Errorf("%w: a value of %v has an unknown version", ErrDamaged, e.Ref.Part)
	}
	plain, err := v.aead.Open(nil, nil, e.Value[1:], valueAAD(e.Key))
	if err != nil {
		return nil, fmt.Errorf("%w: a value of %v is not what was written", ErrDamaged, e.Ref.Part)
	}
	return plain, nil
}

func (v *vault) open(e Entry) (note, error) {
	plain, err := v.unseal(e)
	if err != nil {
		return note{}, err
	}
	n, err := decodeNote(plain)
	if err != nil {
		return note{}, fmt.Errorf("%w: a value of %v: %w", ErrDamaged, e.Ref.Part, err)
	}
	return n, nil
}

func valueAAD(key Key) []byte { return append([]byte{valueVersion}, key[:]...) }

// vaults keeps the vaults in use. The keys of an epoch are let go as soon as it is
// no longer among the kept ones.
type vaults struct {
	mu   sync.Mutex
	made map[Part]*vault
}

func (vs *vaults) get(epoch masking.Epoch, day Day) (*vault, error) {
	part := Part{Day: day, Epoch: epoch.ID()}
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if v := vs.made[part]; v != nil {
		return v, nil
	}
	v, err := newVault(epoch, day)
	if err != nil {
		return nil, err
	}
	if vs.made == nil {
		vs.made = make(map[Part]*vault)
	}
	vs.made[part] = v
	return v, nil
}

// keep forgets the vaults of which keep says no.
func (vs *vaults) keep(keep func(Part) bool) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	for part := range vs.made {
		if !keep(part) {
			delete(vs.made, part)
		}
	}
}
