package seal

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	recipientPrefix = "wikiveil-recipient-"
	identityPrefix  = "wikiveil-identity-"

	keyVersion  = 1
	keySize     = 32
	checkSize   = 4
	idSize      = 8
	maxFileSize = 64 << 10
)

var textEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Errors of the text forms. None ever quotes what it was given.
var (
	ErrRecipient = errors.New("not a recipient (wikiveil-recipient-…)")
	ErrIdentity  = errors.New("not an identity (wikiveil-identity-…)")
)

func kem() hpke.KEM { return hpke.DHKEM(ecdh.X25519()) }

type recipientID [idSize]byte

func (id recipientID) String() string { return fmt.Sprintf("%x", id[:]) }

// A Recipient is a public key that addresses are sealed to.
type Recipient struct {
	key hpke.PublicKey
	id  recipientID
}

func newRecipient(key hpke.PublicKey) *Recipient {
	sum := sha256.Sum256(append([]byte("wikiveil/v1/recipient"), key.Bytes()...))
	return &Recipient{key: key, id: recipientID(sum[:idSize])}
}

// ParseRecipient reads a recipient's text form. Space around it does not count.
func ParseRecipient(text string) (*Recipient, error) {
	raw, err := decodeKey(recipientPrefix, text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecipient, err)
	}
	key, err := kem().NewPublicKey(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: not a public key", ErrRecipient)
	}
	return newRecipient(key), nil
}

// String returns the text form, which [ParseRecipient] reads.
func (r *Recipient) String() string { return encodeKey(recipientPrefix, r.key.Bytes()) }

// ID is a short name of the recipient, which boxes and errors carry (16 hex digits).
func (r *Recipient) ID() string { return r.id.String() }

// An Identity is a secret key that opens what was sealed to its recipient.
type Identity struct {
	key       hpke.PrivateKey
	recipient *Recipient
}

// GenerateIdentity makes a new pair.
func GenerateIdentity() (*Identity, error) {
	key, err := kem().GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("generating a key: %w", err)
	}
	return newIdentity(key), nil
}

func newIdentity(key hpke.PrivateKey) *Identity {
	return &Identity{key: key, recipient: newRecipient(key.PublicKey())}
}

// ParseIdentity reads an identity's text form. Space around it does not count.
func ParseIdentity(text string) (*Identity, error) {
	raw, err := decodeKey(identityPrefix, text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	key, err := kem().NewPrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: not a secret key", ErrIdentity)
	}
	return newIdentity(key), nil
}

// Recipient returns the public half.
func (i *Identity) Recipient() *Recipient { return i.recipient }

// String returns the recipient, so that no log or error can hold the secret.
func (i *Identity) String() string { return "identity of " + i.recipient.String() }

// GoString is as safe as String for %#v.
func (i *Identity) GoString() string { return i.String() }

// Secret returns the text form, which [ParseIdentity] reads. Keep it as you would keep the addresses.
func (i *Identity) Secret() (string, error) {
	raw, err := i.key.Bytes()
	if err != nil {
		return "", fmt.Errorf("encoding the identity: %w", err)
	}
	return encodeKey(identityPrefix, raw), nil
}

// ParseIdentities reads an identity file: one identity a line, empty lines and
// lines that start with # don't count. At least one is wanted.
func ParseIdentities(r io.Reader) ([]*Identity, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading identities: %w", err)
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("reading identities: more than %d bytes: %w", maxFileSize, ErrIdentity)
	}
	var ids []*Identity
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		id, err := ParseIdentity(line)
		if err != nil {
			return nil, fmt.Errorf("reading identities: line %d: %w", n, err)
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("reading identities: there is none: %w", ErrIdentity)
	}
	return ids, nil
}

func checksum(prefix string, body []byte) []byte {
	sum := sha256.Sum256(append([]byte(prefix), body...))
	return sum[:checkSize]
}

func encodeKey(prefix string, key []byte) string {
	body := append([]byte{keyVersion}, key...)
	return prefix + textEncoding.EncodeToString(append(body, checksum(prefix, body)...))
}

func decodeKey(prefix, text string) ([]byte, error) {
	rest, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(text)), prefix)
	if !ok {
		return nil, errors.New("it starts otherwise")
	}
	data, err := textEncoding.DecodeString(rest)
	if err != nil || len(data) != 1+keySize+checkSize || textEncoding.EncodeToString(data) != rest {
		return nil, errors.New("it is cut short, too long or has a wrong character")
	}
	body := data[:1+keySize]
	if !bytes.Equal(data[len(body):], checksum(prefix, body)) {
		return nil, errors.New("it has a typing error (its check digits don't fit)")
	}
	if body[0] != keyVersion {
		return nil, fmt.Errorf("it is of version %d, which this program doesn't know", body[0])
	}
	return body[1:], nil
}
