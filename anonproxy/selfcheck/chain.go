package selfcheck

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

// keptTranscripts are how many are kept of a tool.
const keptTranscripts = 30

// Chain is the transcripts of one tool, kept in a storage that several nodes may share, and not in memory: an edge may have
// thousands of tools, and asks for a chain once an hour. It is safe for concurrent use.
type Chain struct {
	mu     sync.Mutex // until the document is shed again
	doc    *shareddoc.Doc[kept]
	signer note.Signer
}

// kept is what is kept of a chain. It never changes.
type kept struct {
	notes []string // the newest last
	last  *Transcript
}

// Published is a transcript that anybody may have.
type Published struct {
	*Transcript
	Note []byte // its signed form
}

// OpenChain returns the chain under a key of the storage. What is damaged there, or signed with keys that have been replaced, is
// left behind: the chain begins anew, which everybody can see, and damaged is told.
func OpenChain(storage shareddoc.Storage, key string, signer note.Signer, verifier note.Verifier, damaged func(error)) *Chain {
	return &Chain{signer: signer, doc: shareddoc.New(storage, key, shareddoc.Form[kept]{
		Encode: func(k kept) ([]byte, error) { return json.Marshal(k.notes) },
		Decode: func(data []byte) (kept, error) {
			k, err := decode(data, verifier)
			if err != nil {
				damaged(err)
			}
			return k, nil
		},
	})}
}

func decode(data []byte, verifier note.Verifier) (kept, error) {
	var notes []string
	if err := json.Unmarshal(data, &notes); err != nil {
		return kept{}, err
	}
	if len(notes) == 0 {
		return kept{}, ErrForm
	}
	last, err := Open([]byte(notes[len(notes)-1]), verifier)
	if err != nil {
		return kept{}, err
	}
	return kept{notes, last}, nil
}

// Publish signs a transcript as the next of the chain and keeps it, unless another node has just
// published one with the same findings: if it is younger than fresh it is returned in its place.
func (c *Chain) Publish(ctx context.Context, t *Transcript, fresh time.Duration) (*Published, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.doc.Shed()
	var published *Published
	err := c.doc.Update(ctx, func(k kept) (kept, error) {
		if last := k.last; last != nil && time.Since(last.Time) < fresh &&
			last.Tool.Hash() == t.Tool.Hash() && slices.Equal(last.Differences, t.Differences) {
			published = &Published{k.last, []byte(k.notes[len(k.notes)-1])}
			return k, nil
		}
		t.Sequence, t.Previous = 1, ""
		if k.last != nil {
			t.Sequence, t.Previous = k.last.Sequence+1, k.last.digest
		}
		signed, err := t.Sign(c.signer)
		if err != nil {
			return k, err
		}
		published = &Published{t, signed}
		notes := append(slices.Clone(k.notes), string(signed))
		return kept{notes[max(0, len(notes)-keptTranscripts):], t}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("publishing the transcript: %w", err)
	}
	return published, nil
}

// Kept returns the signed transcripts that are kept, the newest last.
func (c *Chain) Kept(ctx context.Context) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.doc.Shed()
	err := c.doc.Read(ctx)
	return slices.Clone(c.doc.Get().notes), err
}
