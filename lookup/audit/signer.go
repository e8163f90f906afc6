package audit

import (
	"encoding/base64"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Note returns the key that checkpoints are signed with as a signer of notes with a name, and the key to verify
// them with in text form, so that a site has one public key to be known by.
func (k *Keys) Note(name string) (note.Signer, string, error) {
	public, err := note.NewEd25519VerifierKey(name, k.Public())
	if err != nil {
		return nil, "", err
	}
	const ed25519ID = 1 // of the form of keys, which has no function of its own
	hash := strings.Split(public, "+")[1]
	secret := base64.StdEncoding.EncodeToString(append([]byte{ed25519ID}, k.sign.Seed()...))
	signer, err := note.NewSigner("PRIVATE+KEY+" + name + "+" + hash + "+" + secret)
	return signer, public, err
}
