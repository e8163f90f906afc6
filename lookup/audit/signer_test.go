package audit

import (
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// A note is the key's under its name alone.
func TestNote(t *testing.T) {
	keys := testKeys(t, 1)
	signer, public, err := keys.Note("wiki")
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: "hello\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := note.NewEd25519VerifierKey("wiki", keys.Public()); err != nil || public != want {
		t.Errorf("the key is %s, want %s, %v", public, want, err)
	}
	_, others, err := keys.Note("other")
	if err != nil {
		t.Fatal(err)
	}
	for text, right := range map[string]bool{public: true, others: false} {
		verifier, err := note.NewVerifier(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := note.Open(signed, note.VerifierList(verifier)); (err == nil) != right {
			t.Errorf("with the key %s: %v", text, err)
		}
	}
	if _, _, err := keys.Note("two words"); err == nil {
		t.Error("a name that no note can have is taken")
	}
}
