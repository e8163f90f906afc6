package sightings

import "time"

// NewAt starts a book with another clock.
func NewAt(config Config, now func() time.Time) (*Book, error) { return newBook(config, now) }

// FreshQueue is how many first sightings can wait.
const FreshQueue = freshQueue

// WriteAgain writes down what known clients were seen again.
func (b *Book) WriteAgain() { b.writeAllAgain() }

// ForgetKeys does what a minute's tick does after a change of the epochs.
func (b *Book) ForgetKeys() { b.forgetKeys(epochIDs(b.config.Epochs())) }
