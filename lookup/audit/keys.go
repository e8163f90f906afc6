package audit

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
	"github.com/wikiveil/wikiveil/masking"
)

// Keys encrypt a log's entries and sign its checkpoints.
type Keys struct {
	sign   ed25519.PrivateKey
	seal   cipher.AEAD
	quotas []byte
}

// NewKeys derives the keys from a secret of at least [masking.MinSecretSize] bytes.
// It must not be an epoch's: the log outlives those.
func NewKeys(secret []byte) (*Keys, error) {
	seed, err := masking.DeriveKey(secret, "audit/checkpoints")
	if err != nil {
		return nil, err
	}
	key, err := masking.DeriveKey(secret, "audit/entries")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	// Random nonces, since a counter would repeat after a restore from a backup. With
	// 96 bits, 2^32 entries are safe.
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	quotas, err := masking.DeriveKey(secret, "audit/quotas")
	if err != nil {
		return nil, err
	}
	return &Keys{sign: ed25519.NewKeyFromSeed(seed), seal: seal, quotas: quotas}, nil
}

// Quotas returns the key, 32 bytes, that performers' quotas are counted under. Like the log it
// outlives the epochs: a new one would be a fresh quota for all.
func (k *Keys) Quotas() []byte { return slices.Clone(k.quotas) }

// Public returns the key that anyone verifies checkpoints with.
func (k *Keys) Public() ed25519.PublicKey { return k.sign.Public().(ed25519.PublicKey) }

// Note returns the key that checkpoints are signed with as a signer of notes with a name, and the key to verify
// them with in text form, so that a site has one public key to be known by.
func (k *Keys) Note(name string) (note.Signer, string, error) {
	public, err := note.NewEd25519VerifierKey(name, k.Public())
	if err != nil {
		return nil, "", err
	}
	verifier, err := note.NewVerifier(public)
	return noteSigner{verifier, k.sign}, public, err
}

// noteSigner signs notes with a key of [Keys].
type noteSigner struct {
	note.Verifier
	key ed25519.PrivateKey
}

// Sign implements [note.Signer].
func (s noteSigner) Sign(text []byte) ([]byte, error) { return ed25519.Sign(s.key, text), nil }

// String names the keys by the public one, so that no log or error can hold the others.
func (k *Keys) String() string { return fmt.Sprintf("audit keys %x", k.Public()) }

// GoString is as safe as String for %#v.
func (k *Keys) GoString() string { return k.String() }

// errSealed is all that can be known of an entry that does not decrypt.
var errSealed = errors.New("content does not decrypt: it was changed, or the keys are not the log's")

func (k *Keys) encrypt(id identity, r record, e Entry) []byte {
	return k.seal.Seal(nil, nil, encodeContent(e), id.additional(r))
}

// decrypt returns the whole entry of a record.
func (k *Keys) decrypt(id identity, r record) (Entry, error) {
	content, err := k.seal.Open(nil, nil, r.sealed, id.additional(r))
	if err != nil {
		return Entry{}, errSealed
	}
	e := Entry{Sequence: r.sequence, Time: r.time, Previous: r.previous, Action: r.action}
	if err := decodeContent(content, &e); err != nil {
		return Entry{}, fmt.Errorf("content: %w", err)
	}
	return e, nil
}

// identity is what a log is known by.
type identity struct {
	log  LogID
	node string
}

func (id identity) additional(r record) []byte {
	b := append([]byte(tagEntry), id.log[:]...)
	return r.appendHead(appendString(b, id.node))
}

// KeysKey is the storage key the secret of the keys is kept under. Without it the log can't be read.
const KeysKey = "wikiveil/audit_keys.json"

// OpenKeys returns the keys of the secret in storage, which is made if there is none. Nodes that
// share the storage share the keys. A damaged secret is refused and never overwritten.
func OpenKeys(ctx context.Context, storage shareddoc.Storage) (*Keys, error) {
	secret, err := shareddoc.Secret(ctx, storage, KeysKey)
	if err != nil {
		return nil, fmt.Errorf("the audit keys: %w", err)
	}
	return NewKeys(secret)
}
