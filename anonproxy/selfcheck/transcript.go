package selfcheck

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/wikiveil/wikiveil/noticeboard"
)

const (
	// Format names the form of a transcript, and its version. It is the first line of the note.
	Format = "wikiveil/v1/transcript"

	// MaxSize bounds a signed transcript in bytes.
	MaxSize = 1 << 20
)

// Errors of transcripts, for callers to test for.
var (
	ErrForm      = errors.New("not a transcript of its form")
	ErrSignature = errors.New("the transcript's signature is wrong: it was changed, or signed with another key")
	ErrChain     = errors.New("the transcripts are of two chains")
)

// Transcript says what a tool gets.
type Transcript struct {
	// Site is the wiki's label, Prefix the path under which its tools are.
	Site   string `json:"site,omitempty"`
	Prefix string `json:"prefix"`

	// Tool is the declaration, as it stands on the noticeboard.
	Tool noticeboard.Tool `json:"tool"`

	// Sequence counts the transcripts of the tool; Previous is the digest of the one before.
	Sequence uint64 `json:"sequence"`
	Previous string `json:"previous,omitempty"`

	// Time is when the requests were made, to the second; Every is how many seconds
	// later the next are.
	Time  time.Time `json:"time"`
	Every int64     `json:"every_seconds"`

	// Edge says which program made them, and on which node.
	Edge Edge `json:"edge"`

	Result

	digest string // the SHA-256 of the note's text, in hex, once it is signed
}

// Edge is the program that made a transcript.
type Edge struct {
	Node    string `json:"node,omitempty"`
	Version string `json:"version"`
	Go      string `json:"go"`
}

// Sign returns the transcript as a signed note: the line Format, and JSON in one line.
func (t *Transcript) Sign(signer note.Signer) ([]byte, error) {
	data, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("signing the transcript: %w", err)
	}
	text := Format + "\n" + string(data) + "\n"
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return nil, fmt.Errorf("signing the transcript: %w", err)
	}
	t.digest = digest([]byte(text))
	return signed, nil
}

// Open returns the transcript in a note, once its signature is found to be the key's. Other
// signatures may stand beside it. What it says is not checked: [Transcript.Verify] does that.
//
// Errors: [ErrForm], [ErrSignature].
func Open(signed []byte, key note.Verifier) (*Transcript, error) {
	if len(signed) > MaxSize {
		return nil, fmt.Errorf("%w: over %d bytes", ErrForm, MaxSize)
	}
	opened, err := note.Open(signed, note.VerifierList(key))
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unverified) || errors.As(err, &invalid):
		return nil, ErrSignature
	case err != nil:
		return nil, fmt.Errorf("%w: no signed note", ErrForm)
	}
	data, ok := strings.CutPrefix(opened.Text, Format+"\n")
	if !ok {
		return nil, fmt.Errorf("%w: unknown format", ErrForm)
	}
	t := &Transcript{digest: digest([]byte(opened.Text))}
	d := json.NewDecoder(strings.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(t); err != nil || strings.TrimSpace(data[d.InputOffset():]) != "" {
		return nil, fmt.Errorf("%w: it has other fields or values", ErrForm)
	}
	if t.Sequence == 0 || (t.Previous == "") != (t.Sequence == 1) {
		return nil, fmt.Errorf("%w: its sequence contradicts itself", ErrForm)
	}
	board, err := noticeboard.New([]*noticeboard.Tool{&t.Tool})
	if err != nil {
		return nil, fmt.Errorf("%w: its declaration is none: %w", ErrForm, err)
	}
	if own, _ := board.Lookup(t.Tool.Name); own.Hash() != t.Tool.Hash() || !noticeboard.HasTranscript(own) {
		return nil, fmt.Errorf("%w: its declaration is none that a board has for the proxy", ErrForm)
	}
	return t, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Follows checks that t comes after an earlier transcript of the same tool in one
// chain, as far as the two show it.
func (t *Transcript) Follows(earlier *Transcript) error {
	reason := ""
	switch {
	case t.Tool.Name != earlier.Tool.Name || t.Prefix != earlier.Prefix || t.Site != earlier.Site:
		reason = "they are of different tools or wikis"
	case t.Sequence < earlier.Sequence:
		reason = fmt.Sprintf("number %d doesn't come after number %d", t.Sequence, earlier.Sequence)
	case t.Sequence == earlier.Sequence && t.digest != earlier.digest:
		reason = fmt.Sprintf("there are two with the number %d", t.Sequence)
	case t.Sequence == earlier.Sequence+1 && t.Previous != earlier.digest:
		reason = fmt.Sprintf("number %d names another one before it", t.Sequence)
	case t.Time.Before(earlier.Time):
		reason = fmt.Sprintf("number %d is older than number %d", t.Sequence, earlier.Sequence)
	default:
		return nil
	}
	return fmt.Errorf("%w: %s", ErrChain, reason)
}
