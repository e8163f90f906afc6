package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// A witness's signature is what C2SP's tlog-cosignature says, beside the log's own, and replaces its earlier one.
func TestCosign(t *testing.T) {
	_, eight := sampleLog(t, logPath(t))
	w, err := NewWitness("witness.example", bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	signed := eight
	for range 2 {
		if signed, err = w.Cosign(signed); err != nil {
			t.Fatal(err)
		}
	}
	back, err := ParseCheckpoint([]byte(signed.Note))
	if err != nil || back.Verify(testKeys(t, 1).Public()) != nil {
		t.Fatalf("%v, %v", err, back.Verify(testKeys(t, 1).Public()))
	}
	lines := strings.Split(strings.TrimSpace(signed.Note[strings.Index(signed.Note, "\n\n"):]), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[1], "— witness.example ") {
		t.Fatalf("signatures %q", lines)
	}
	data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "— witness.example "))
	if err != nil || len(data) != 4+8+64 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	name, rest, _ := strings.Cut(w.VerifierKey(), "+")
	hash, encoded, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || name != "witness.example" || hash != fmt.Sprintf("%x", data[:4]) || len(key) != 33 || key[0] != 4 {
		t.Errorf("the key is %s", w.VerifierKey())
	}
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(data[4:]), eight.text())
	if !ed25519.Verify(key[1:], []byte(message), data[12:]) {
		t.Error("the signature is not over the checkpoint and its time")
	}
	for _, name := range []string{"", "a b", "a+b", "ä"} {
		if _, err := NewWitness(name, make([]byte, 32)); err == nil {
			t.Errorf("the name %q was taken", name)
		}
	}
	if _, err := NewWitness("a", make([]byte, 31)); err == nil {
		t.Error("a short key was taken")
	}
}
