package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// A Witness cosigns checkpoints: who trusts it needn't have followed the log themselves. Its signatures are of the form that
// C2SP's tlog-cosignature gives, with the time when it signed.
type Witness struct {
	name string
	key  ed25519.PrivateKey
}

// cosignature is C2SP's number for keys of this kind.
const cosignature = 4

// NewWitness returns a witness by its name, such as witness.example, and its key's seed of 32 bytes.
func NewWitness(name string, seed []byte) (*Witness, error) {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '+' }) {
		return nil, fmt.Errorf("a witness's name is of printable ASCII without blank and +, not %q", name)
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("a witness's key has %d bytes, not %d", len(seed), ed25519.SeedSize)
	}
	return &Witness{name, ed25519.NewKeyFromSeed(seed)}, nil
}

func (w *Witness) public() []byte {
	return append([]byte{cosignature}, w.key.Public().(ed25519.PublicKey)...)
}

// VerifierKey is what others verify its signatures by, in the form of a note's key.
func (w *Witness) VerifierKey() string {
	return fmt.Sprintf("%s+%08x+%s", w.name, w.KeyHash(), base64.StdEncoding.EncodeToString(w.public()))
}

// Name implements [note.Signer].
func (w *Witness) Name() string { return w.name }

// KeyHash implements [note.Signer].
func (w *Witness) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(w.name+"\n"), w.public()...))
	return binary.BigEndian.Uint32(sum[:])
}

// Sign implements [note.Signer].
func (w *Witness) Sign(text []byte) ([]byte, error) {
	now := time.Now().Unix()
	signed := fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", now, text)
	return append(binary.BigEndian.AppendUint64(nil, uint64(now)), ed25519.Sign(w.key, signed)...), nil
}

// Cosign adds the witness's signature to a checkpoint, whose own is the caller's to verify, as is that it follows from all that the
// witness signed before.
func (w *Witness) Cosign(c Checkpoint) (Checkpoint, error) {
	n, err := openNote(c.Note)
	if err != nil {
		return Checkpoint{}, err
	}
	signed, err := note.Sign(n, w)
	c.Note = string(signed)
	return c, err
}
