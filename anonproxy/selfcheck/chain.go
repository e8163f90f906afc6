package selfcheck

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

// keptTranscripts are how many are kept of a tool.
const keptTranscripts = 30

// Chain is the transcripts of one tool, kept in a storage that several nodes may share. It is safe for concurrent use.
type Chain struct {
	doc      *shareddoc.Doc
	signer   note.Signer
	verifier note.Verifier
	damaged  func(error)

	// Of the document as it was read last.
	notes []string // the newest last
	last  *Transcript
}

// Published is a transcript that anybody may have.
type Published struct {
	*Transcript
	Note []byte // its signed form
}

// OpenChain returns the chain under a key of the storage, which is changed under the lock of that
// name. What is damaged there, or signed with keys that have been replaced, is left behind: the
// chain begins anew, which everybody can see, and damaged is told.
func OpenChain(storage shareddoc.Storage, key, lock string, signer note.Signer, verifier note.Verifier, damaged func(error)) *Chain {
	c := &Chain{signer: signer, verifier: verifier, damaged: damaged}
	c.doc = shareddoc.New(storage, key, lock, c.accept)
	return c
}

func (c *Chain) accept(data []byte) error {
	c.notes, c.last = nil, nil
	var notes []string
	err := json.Unmarshal(data, &notes)
	if err == nil && len(notes) == 0 {
		err = ErrForm
	}
	var last *Transcript
	if err == nil {
		last, err = Open([]byte(notes[len(notes)-1]), c.verifier)
	}
	if err != nil {
		c.damaged(err)
		return nil
	}
	c.notes, c.last = notes, last
	return nil
}

// Publish signs a transcript as the next of the chain and keeps it, unless another node has just
// published one with the same findings: if it is younger than fresh it is returned in its place.
func (c *Chain) Publish(ctx context.Context, t *Transcript, fresh time.Duration) (published *Published, err error) {
	err = c.doc.Update(ctx, func() ([]byte, error) {
		if last := c.last; last != nil && time.Since(last.Time) < fresh &&
			last.Tool.Hash() == t.Tool.Hash() && slices.Equal(last.Differences, t.Differences) {
			published = &Published{c.last, []byte(c.notes[len(c.notes)-1])}
			return nil, nil
		}
		t.Sequence, t.Previous = 1, ""
		if c.last != nil {
			t.Sequence, t.Previous = c.last.Sequence+1, c.last.digest
		}
		signed, err := t.Sign(c.signer)
		if err != nil {
			return nil, err
		}
		published = &Published{t, signed}
		notes := append(slices.Clone(c.notes), string(signed))
		return json.Marshal(notes[max(0, len(notes)-keptTranscripts):])
	})
	if err != nil {
		return nil, fmt.Errorf("publishing the transcript: %w", err)
	}
	return published, nil
}

// Kept returns the signed transcripts that are kept, the newest last.
func (c *Chain) Kept(ctx context.Context) (notes []string, err error) {
	err = c.doc.Update(ctx, func() ([]byte, error) { // nothing is changed
		notes = slices.Clone(c.notes)
		return nil, nil
	})
	return notes, err
}
