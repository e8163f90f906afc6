package demo

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestNotesAreThrottledByAuthor(t *testing.T) {
	var notes Notes
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range maxMinutely {
		if err := notes.Add(mask, "hello", start.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := notes.Add(mask, "hello", start.Add(59*time.Second)); !errors.Is(err, ErrTooMany) {
		t.Errorf("got error %v within the minute, want %v", err, ErrTooMany)
	}
	if err := notes.Add("2001:2f::1", "hello", start.Add(59*time.Second)); err != nil {
		t.Errorf("another author: %v", err)
	}
	if err := notes.Add(mask, "hello", start.Add(time.Minute)); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

func TestNotesAreBounded(t *testing.T) {
	var notes Notes
	for i := range maxNotes + 7 {
		if err := notes.Add(fmt.Sprint(i), fmt.Sprint("note ", i), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	list := notes.List()
	if len(list) != maxNotes || list[0].Text != "note 56" || list[maxNotes-1].Text != "note 7" {
		t.Errorf("got %d notes from %q to %q, want the %d latest, newest first", len(list), list[0].Text, list[len(list)-1].Text, maxNotes)
	}
}
