package salts

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/masking"
)

// entry is what is kept of one client under one epoch.
type entry struct {
	salt         [masking.SaltSize]byte
	since, until time.Time
	edited       time.Time // the last edit, to the day; zero: there was none

	// In memory alone.
	epoch *epochKeys
	mask  netip.Addr
	read  time.Time // from the store; zero: it isn't in there
}

func (e entry) ended(now time.Time) bool { return !e.until.After(now) }

// epochKeys are an epoch's.
type epochKeys struct {
	masker *masking.Masker
	index  []byte
	aead   cipher.AEAD // with random nonces: far fewer than 2^32 salts are sealed in an epoch
}

func newEpochKeys(e masking.Epoch, label string, v6Prefix int) (*epochKeys, error) {
	masker, err := e.Masker(label, v6Prefix)
	if err != nil {
		return nil, err
	}
	index, err := e.Key("salts/index")
	if err != nil {
		return nil, err
	}
	key, err := e.Key("salts")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &epochKeys{masker, index, aead}, err
}

// key is where something is kept: a keyed hash, under which nobody finds an address or a mask without the epoch's secret.
func (k *epochKeys) key(kind string, parts ...[]byte) string {
	h := hmac.New(sha256.New, k.index)
	h.Write([]byte(kind))
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (k *epochKeys) keyOfMask(mask netip.Addr) string {
	m := mask.As16()
	return k.key("mask", m[:])
}

// A value in the store: version (1 byte) = 1 | nonce (12) | AES-256-GCM of what follows, with the entry's key as additional data | tag (16):
//
//	salt (16) | since | until | last edit, to the day: Unix seconds (u64), 0 is never
//
// or, under the hash of a mask, the key under which its client's salt is.
const (
	version   = 1
	plainSize = masking.SaltSize + 3*8
)

func (k *epochKeys) seal(key string, plain []byte) []byte {
	return k.aead.Seal([]byte{version}, nil, plain, []byte(key))
}

func (k *epochKeys) unseal(key string, value []byte) ([]byte, error) {
	if len(value) == 0 || value[0] != version {
		return nil, fmt.Errorf("a client's salt: %w", kv.ErrDamaged)
	}
	plain, err := k.aead.Open(nil, nil, value[1:], []byte(key))
	if err != nil {
		return nil, fmt.Errorf("a client's salt: %w", kv.ErrDamaged)
	}
	return plain, nil
}

func (k *epochKeys) encode(key string, e entry) []byte {
	plain := append(make([]byte, 0, plainSize), e.salt[:]...)
	for _, t := range []time.Time{e.since, e.until, e.edited} {
		var seconds uint64
		if !t.IsZero() {
			seconds = uint64(t.Unix())
		}
		plain = binary.BigEndian.AppendUint64(plain, seconds)
	}
	return k.seal(key, plain)
}

func (k *epochKeys) decode(key string, value []byte) (e entry, err error) {
	plain, err := k.unseal(key, value)
	if err != nil {
		return entry{}, err
	}
	if len(plain) != plainSize {
		return entry{}, fmt.Errorf("a client's salt: %w", kv.ErrDamaged)
	}
	e.salt = [masking.SaltSize]byte(plain)
	for i, t := range []*time.Time{&e.since, &e.until, &e.edited} {
		if seconds := binary.BigEndian.Uint64(plain[masking.SaltSize+8*i:]); seconds != 0 {
			*t = time.Unix(int64(seconds), 0)
		}
	}
	return e, nil
}

func newSalt() (salt [masking.SaltSize]byte) {
	rand.Read(salt[:])
	return salt
}
