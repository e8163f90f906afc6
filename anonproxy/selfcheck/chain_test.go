package selfcheck

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// Nodes that share a storage continue one chain, of which the newest are kept; what is damaged begins anew.
func TestChain(t *testing.T) {
	signer, verifier := keys(t)
	dir := t.TempDir()
	var damage []error
	node := func() *Chain {
		return OpenChain(&certmagic.FileStorage{Path: dir}, "transcripts/maps.json", signer, verifier, func(err error) { damage = append(damage, err) })
	}
	tool := declared(t, noticeboard.Tool{Origin: "http://127.0.0.1:1", Kinds: []noticeboard.Kind{noticeboard.Style}})
	result := mustRun(t, tool, nil)
	publish := func(c *Chain, fresh time.Duration, differences ...string) *Published {
		t.Helper()
		next := transcriptOf(tool, result)
		next.Time, next.Differences = time.Now().UTC().Truncate(time.Second), differences
		published, err := c.Publish(t.Context(), next, fresh)
		if err != nil {
			t.Fatal(err)
		}
		return published
	}
	a, b := node(), node()
	first := publish(a, time.Hour)
	if first.Sequence != 1 || first.Previous != "" {
		t.Errorf("the first is number %d after %q", first.Sequence, first.Previous)
	}
	if again := publish(b, time.Hour); string(again.Note) != string(first.Note) {
		t.Errorf("the other node published number %d with the same findings", again.Sequence)
	}
	second := publish(b, time.Hour, "a difference")
	if err := second.Follows(first.Transcript); err != nil || second.Sequence != 2 || second.Previous == "" {
		t.Errorf("number %d after %q: %v", second.Sequence, second.Previous, err)
	}
	for range 40 {
		publish(a, 0)
	}
	kept, err := b.Kept(t.Context())
	if err != nil || len(kept) != keptTranscripts {
		t.Fatalf("%d are kept, %v", len(kept), err)
	}
	var before *Transcript
	for i, signed := range kept {
		opened, err := Open([]byte(signed), verifier)
		if err != nil || opened.Sequence != uint64(13+i) || before != nil && opened.Follows(before) != nil {
			t.Errorf("the one at %d has number %d: %v", i, opened.Sequence, err)
		}
		before = opened
	}
	if len(damage) > 0 {
		t.Errorf("damage is told of: %v", damage)
	}
	for _, c := range []*Chain{a, b} {
		if held := c.doc.Get(); len(held.notes) > 0 || held.last != nil {
			t.Errorf("%d transcripts stay in memory", len(held.notes))
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "transcripts/maps.json"), []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if anew := publish(b, 0); anew.Sequence != 1 || len(damage) != 1 || !errors.Is(damage[0], ErrForm) {
		t.Errorf("after damage number %d, told %v", anew.Sequence, damage)
	}
}
