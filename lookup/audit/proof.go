package audit

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// subtrees are the hashes of a tree's whole subtrees, which proofs are made of: 64 bytes for each entry. They are made anew
// for each published checkpoint.
type subtrees struct {
	to     uint64         // entries
	base   map[int64]Hash // of those that are pruned, by their index
	first  int64          // the index of the first hash
	hashes []Hash
}

// ReadHashes implements [tlog.HashReader].
func (t *subtrees) ReadHashes(indexes []int64) ([]Hash, error) {
	out := make([]Hash, len(indexes))
	for i, index := range indexes {
		h, ok := t.base[index]
		if at := index - t.first; at >= 0 && at < int64(len(t.hashes)) {
			h, ok = t.hashes[at], true
		}
		if !ok {
			return nil, ErrPruned
		}
		out[i] = h
	}
	return out, nil
}

// subtreesOf reads what a log has, up to a number of entries.
func (l *Log) subtreesOf(s *state, to uint64) (*subtrees, error) {
	at := s.start()
	t := &subtrees{to: to, base: make(map[int64]Hash), first: tlog.StoredHashIndex(0, int64(at.entries))}
	var left uint64 // entries left of a subtree
	for i, rest := 0, at.entries; i < len(at.edge); i++ {
		level := bits.Len64(rest) - 1
		t.base[tlog.StoredHashIndex(level, int64(left>>level))] = at.edge[i]
		left += 1 << level
		rest -= 1 << level
	}
	err := l.records(at.entries, int(min(to-at.entries, math.MaxInt)), func(r record, data []byte) error {
		if r.sequence != at.entries+1 {
			return ErrPruned // meanwhile
		}
		at = at.extend(r.action, data, func(h Hash) { t.hashes = append(t.hashes, h) })
		return nil
	})
	if err == nil && at.entries != to {
		err = ErrPruned
	}
	return t, err
}

// Proof returns the checkpoint published last and the consistency proof that leads to it from a number of entries, for anyone
// to check by [Checkpoint.Follows].
//
// The error is [ErrPruned] where the entries from there on are no longer kept.
func (l *Log) Proof(entries uint64) (Checkpoint, tlog.TreeProof, error) {
	s := l.current.Load()
	if s.published == nil {
		return Checkpoint{}, nil, errors.New("making a proof: nothing has been published yet")
	}
	to := *s.published
	if entries == 0 || entries >= to.Entries {
		return to, nil, nil
	}
	proof, err := l.prove(s, to.Entries, entries)
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("making a proof: %w", err)
	}
	return to, proof, nil
}

func (l *Log) prove(s *state, to, from uint64) (tlog.TreeProof, error) {
	if from < s.start().entries {
		return nil, ErrPruned
	}
	l.proving.Lock()
	defer l.proving.Unlock()
	if l.subtrees == nil || l.subtrees.to != to {
		t, err := l.subtreesOf(s, to)
		if err != nil {
			return nil, err
		}
		l.subtrees = t
	}
	return tlog.ProveTree(int64(to), int64(from), l.subtrees)
}
