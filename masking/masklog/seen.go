package masklog

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/wikiveil/wikiveil/masking/spelling"
)

// Sizes of what is remembered of texts that come with nearly each request.
const (
	seenSlots = 256
	seenBytes = 512 // of a text
)

var seenSeed = maphash.MakeSeed()

// seen remembers what was found out about texts, the last of those that share a slot.
type seen[T any] struct {
	slots [seenSlots]atomic.Pointer[known[T]]
}

type known[T any] struct {
	text  string
	about T
}

func (s *seen[T]) of(text string, look func(string) T) T {
	if len(text) > seenBytes {
		return look(text)
	}
	slot := &s.slots[maphash.String(seenSeed, text)%seenSlots]
	if k := slot.Load(); k != nil && k.text == text {
		return k.about
	}
	about := look(text)
	slot.Store(&known[T]{text, about})
	return about
}

// name is what is known of a header's name.
type name struct {
	ordinary bool // it stays as it is
	forwards bool // see Rules
}

func (r *Rules) name(key string) name {
	return r.names.of(key, func(key string) name {
		return name{ordinary: r.isOrdinary(key), forwards: r.Forwards != nil && r.Forwards(key)}
	})
}

// isOrdinary reports whether there's nothing in a text to look at.
func (r *Rules) isOrdinary(text string) bool {
	_, _, _, found := r.cutPath(text)
	_, hidden, ok := spelling.HideUnlessNext(text, Masked)
	return ok && !hidden && !found
}

// agent is what is known of a user agent.
type agent struct {
	versions []netip.Addr // that read as addresses
	found    []netip.Addr // all that Next finds
	ordinary bool         // it stays as it is, if all of these do
}

func (r *Rules) agent(text string) agent {
	return r.agents.of(text, func(text string) (a agent) {
		a.versions = versionsIn(text)
		c, from := copier{text: text, kind: userAgent}, 0
		for {
			f, ok := spelling.Next(text, from)
			if !ok {
				break
			}
			c.hide(from, f.Start)
			a.found, from = append(a.found, f.Addr), f.End
		}
		c.hide(from, len(text))
		_, _, _, ours := r.cutPath(text)
		a.ordinary = !c.any && !ours
		return a
	})
}

// staysWhole reports whether a user agent stays as it is, and takes note of its versions.
func (e *entry) staysWhole(a agent) bool {
	for _, version := range a.versions {
		if !slices.Contains(e.versions, version) {
			e.versions = append(e.versions, version)
		}
	}
	if !a.ordinary || e.found+len(a.found) > maxFound {
		return false
	}
	for _, addr := range a.found {
		if !e.keeps(addr, true) {
			return false
		}
	}
	e.found += len(a.found)
	return true
}
