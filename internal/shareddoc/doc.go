// Package shareddoc keeps one document in a storage that several nodes may share. A document that is gone while this
// process knows it is never replaced: an unmounted volume looks like that, and an empty one in its place too.
package shareddoc

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// Storage is the part that is needed of a certmagic.Storage, which Caddy's storage modules are. Load of a
// missing key returns an error that is [fs.ErrNotExist].
type Storage interface {
	Lock(ctx context.Context, name string) error
	Unlock(ctx context.Context, name string) error
	Load(ctx context.Context, key string) ([]byte, error)
	Store(ctx context.Context, key string, value []byte) error
}

// ErrVanished: a document that was there is gone from the storage. What was read last holds, and nothing is
// written in its place.
var ErrVanished = errors.New("it is gone from the storage: bring the storage back")

// A Doc is one document. It is safe for concurrent use.
type Doc struct {
	storage   Storage
	key, lock string
	// accept takes what was read or is about to be stored, or says why it can't be.
	accept func(data []byte) error

	mu    sync.Mutex
	known bool
	sum   [sha256.Size]byte
}

// New returns the document under a key, which is changed under the storage's lock of that name. Accept is called, one
// call at a time, with each version that is read or stored; nothing is stored in place of one that it refuses.
func New(storage Storage, key, lock string, accept func(data []byte) error) *Doc {
	return &Doc{storage: storage, key: key, lock: lock, accept: accept}
}

// Known reports whether the document was there at some time.
func (d *Doc) Known() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known
}

// Read reads the document. One that never was there is no error.
//
// Errors: [ErrVanished], those of accept and of the storage.
func (d *Doc) Read(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.read(ctx)
}

func (d *Doc) read(ctx context.Context) error {
	data, err := d.storage.Load(ctx, d.key)
	if errors.Is(err, fs.ErrNotExist) {
		if d.known {
			return fmt.Errorf("loading %s: %w", d.key, ErrVanished)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("loading %s: %w", d.key, err)
	}
	sum := sha256.Sum256(data)
	if d.known && sum == d.sum {
		return nil
	}
	if err := d.accept(data); err != nil {
		return fmt.Errorf("loading %s: %w", d.key, err)
	}
	d.known, d.sum = true, sum
	return nil
}

// Update reads the document under the storage's lock, so that of several nodes each sees what the one before it
// stored, and then stores what change returns; nil leaves it as it is.
func (d *Doc) Update(ctx context.Context, change func() ([]byte, error)) (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.storage.Lock(ctx, d.lock); err != nil {
		return fmt.Errorf("locking %s: %w", d.key, err)
	}
	defer func() {
		// The lock must go even where the caller's time has run out.
		if unlockErr := d.storage.Unlock(context.WithoutCancel(ctx), d.lock); unlockErr != nil && err == nil {
			err = fmt.Errorf("unlocking %s: %w", d.key, unlockErr)
		}
	}()
	if err := d.read(ctx); err != nil {
		return err
	}
	data, err := change()
	if err != nil || data == nil {
		return err
	}
	if err := d.storage.Store(ctx, d.key, data); err != nil {
		return fmt.Errorf("storing %s: %w", d.key, err)
	}
	if err := d.accept(data); err != nil {
		return fmt.Errorf("storing %s: %w", d.key, err) // a fault of change
	}
	d.known, d.sum = true, sha256.Sum256(data)
	return nil
}
