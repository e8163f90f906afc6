package demo

import (
	"errors"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxNotes    = 50  // in the list; older ones are forgotten
	maxNote     = 280 // characters
	maxMinutely = 5   // notes a minute and author
)

// Reasons why a note is not taken, in words for its author.
var (
	ErrEmpty   = errors.New("the note is empty")
	ErrTooLong = errors.New("the note is longer than 280 characters")
	ErrNoText  = errors.New("the note is not valid UTF-8 text")
	ErrTooMany = errors.New("your address (as the wiki sees it) has left five notes in the last minute; wait a little")
)

// Note is an entry in the recent changes.
type Note struct {
	Author string // the address it is attributed to
	Text   string
	Time   time.Time
}

// Notes is the wiki's content: the latest notes, in memory. It is safe for
// concurrent use.
type Notes struct {
	mu   sync.Mutex
	list []Note // newest first
}

// Add puts a note on top of the list, or says why not. Line breaks and control
// characters become spaces.
func (n *Notes) Add(author, text string, now time.Time) error {
	if !utf8.ValidString(text) {
		return ErrNoText
	}
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	switch length := utf8.RuneCountInString(text); {
	case length == 0:
		return ErrEmpty
	case length > maxNote:
		return ErrTooLong
	}

	n.mu.Lock()
	defer n.mu.Unlock()
	recent := 0
	for _, note := range n.list {
		if note.Author == author && now.Sub(note.Time) < time.Minute {
			recent++
		}
	}
	if recent >= maxMinutely {
		return ErrTooMany
	}
	n.list = append([]Note{{Author: author, Text: text, Time: now.UTC()}}, n.list[:min(len(n.list), maxNotes-1)]...)
	return nil
}

// List returns the notes, newest first.
func (n *Notes) List() []Note {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]Note(nil), n.list...)
}

// Destruct implements caddy.Destructor: notes live in a pool across config reloads.
func (n *Notes) Destruct() error { return nil }
