package sightings

import "time"

// NewAt starts a recorder with another clock.
func NewAt(config Config, now func() time.Time) (*Recorder, error) { return newRecorder(config, now) }

// FreshQueue is how many first sightings can wait.
const FreshQueue = freshQueue

// WriteAgain writes down what known clients were seen again.
func (b *Recorder) WriteAgain() { b.writeAllAgain() }

// ForgetKeys does what a minute's tick does after a change of the epochs.
func (b *Recorder) ForgetKeys() { b.forgetKeys(epochIDs(b.config.Epochs())) }

// Waiting returns how many records that somebody waits for are queued.
func (b *Recorder) Waiting() int { return len(b.commits.urgent) }
