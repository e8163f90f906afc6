package canary

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// Format names the form of a transcript, and its version.
	Format = "wikiveil/v1/transcript"
	// PayloadType is what a transcript is in an envelope.
	PayloadType = "application/vnd.wikiveil.transcript.v1+json"

	// MaxSize bounds a signed transcript in bytes.
	MaxSize = 1 << 20
)

// Errors of transcripts, for callers to test for.
var (
	ErrForm      = errors.New("not a transcript of its form")
	ErrSignature = errors.New("the transcript's signature is wrong: it was changed, or signed with another key")
)

// Transcript says what a tool gets.
type Transcript struct {
	Format string `json:"format"`

	// Site is the wiki's label, Prefix the path under which its tools are.
	Site   string `json:"site,omitempty"`
	Prefix string `json:"prefix"`

	Tool        string `json:"tool"`
	Origin      string `json:"origin"`
	Declaration string `json:"declaration_hash"`
	Revision    uint64 `json:"revision,omitempty"`

	// Sequence counts the transcripts of the tool; Previous is the SHA-256, in hex, of
	// the payload of the one before.
	Sequence uint64 `json:"sequence"`
	Previous string `json:"previous,omitempty"`

	// Time is when the requests were made, to the second; Every is how many seconds
	// later the next are.
	Time  time.Time `json:"time"`
	Every int64     `json:"every_seconds"`

	// Edge says which program made them, and on which node.
	Edge Edge `json:"edge"`

	// Equal is whether the two readers' requests were the same bytes, and Differences
	// say where they weren't.
	Equal       bool     `json:"equal"`
	Differences []string `json:"differences,omitempty"`

	// Pseudonym is the header that holds a name for the client, which another
	// client's differs in; its value is replaced by a placeholder.
	Pseudonym string `json:"pseudonym_header,omitempty"`

	// TLS is what all connections begin with.
	TLS      *TLS      `json:"tls,omitempty"`
	Requests []Request `json:"requests"`
}

// Edge is the program that made a transcript.
type Edge struct {
	Node    string `json:"node,omitempty"`
	Version string `json:"version"`
	Go      string `json:"go"`
}

// Put sets what came of a Run.
func (t *Transcript) Put(r *Result) {
	t.Pseudonym, t.TLS, t.Requests = r.Pseudonym, r.TLS, r.Requests
	t.Differences, t.Equal = r.Differences, len(r.Differences) == 0
}

// envelope is a DSSE envelope (https://github.com/secure-systems-lab/dsse, v1.0): the
// signature is over the payload's very bytes, so no canonical form is needed.
type envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     []byte      `json:"payload"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	KeyID     string `json:"keyid"` // the public key in hex, a hint
	Signature []byte `json:"sig"`
}

// preAuth is DSSE's pre-authentication encoding, which is what is signed.
func preAuth(payloadType string, payload []byte) []byte {
	return append(fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(payloadType), payloadType, len(payload)), payload...)
}

// Sign returns the transcript in an envelope, signed with an Ed25519 key.
func Sign(t *Transcript, key crypto.Signer) ([]byte, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("signing the transcript: the key is none of Ed25519")
	}
	payload, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("signing the transcript: %w", err)
	}
	sig, err := key.Sign(nil, preAuth(PayloadType, payload), crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("signing the transcript: %w", err)
	}
	return json.Marshal(envelope{PayloadType, payload, []signature{{hex.EncodeToString(public), sig}}})
}

// Open returns the transcript in an envelope, once its signature is found to be the
// key's. What it says is not checked: [Transcript.Verify] does that.
//
// Errors: [ErrForm], [ErrSignature].
func Open(data []byte, key ed25519.PublicKey) (*Transcript, error) {
	e, err := parseEnvelope(data)
	if err != nil {
		return nil, err
	}
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, preAuth(e.PayloadType, e.Payload), e.Signatures[0].Signature) {
		return nil, ErrSignature
	}
	return parse(e.Payload)
}

// Digest is what the next transcript names as the previous one: the SHA-256 of an
// envelope's payload, in hex. The error is [ErrForm].
func Digest(data []byte) (string, error) {
	e, err := parseEnvelope(data)
	if err != nil {
		return "", err
	}
	return sum(e.Payload), nil
}

func parseEnvelope(data []byte) (*envelope, error) {
	var e envelope
	if len(data) > MaxSize || strictly(data, &e) != nil {
		return nil, fmt.Errorf("%w: no DSSE envelope", ErrForm)
	}
	if e.PayloadType != PayloadType || len(e.Signatures) != 1 || len(e.Signatures[0].Signature) != ed25519.SignatureSize {
		return nil, fmt.Errorf("%w: not %s with one signature", ErrForm, PayloadType)
	}
	return &e, nil
}

func parse(payload []byte) (*Transcript, error) {
	t := new(Transcript)
	if err := strictly(payload, t); err != nil {
		return nil, fmt.Errorf("%w: it has other fields or values", ErrForm)
	}
	switch {
	case t.Format != Format:
		return nil, fmt.Errorf("%w: unknown format", ErrForm)
	case t.Sequence == 0 || (t.Previous == "") != (t.Sequence == 1):
		return nil, fmt.Errorf("%w: its sequence contradicts itself", ErrForm)
	}
	return t, nil
}

// strictly reads one JSON value with no fields that are unknown, and nothing after it.
func strictly(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}
