// Package shareddoc keeps documents in a storage that several nodes may share: a block list, a key ring, a secret.
//
//	doc := shareddoc.New(storage, "wikiveil/blocks.json", shareddoc.JSON(check))
//	err := doc.Read(ctx)                    // now and then: see package followed
//	list := doc.Get()                       // as it was read last; asks no storage
//	err = doc.Update(ctx, func(list T) (T, error) { … })
//
// A document that is gone while this process knows it is never replaced: an unmounted volume looks like that, and an empty
// one in its place too. Nor is one that is damaged.
package shareddoc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"sync/atomic"
)

// Storage is the part that is needed of a certmagic.Storage, which Caddy's storage modules are. Load of a
// missing key returns an error that is [fs.ErrNotExist].
type Storage interface {
	Lock(ctx context.Context, name string) error
	Unlock(ctx context.Context, name string) error
	Load(ctx context.Context, key string) ([]byte, error)
	Store(ctx context.Context, key string, value []byte) error
}

// Errors of documents, for callers to test for. What was read last goes on to hold.
var (
	ErrVanished = errors.New("it is gone from the storage: bring the storage back, or restart all edges that share it to begin anew")
	ErrDamaged  = errors.New("it is damaged")
)

// A Form is how a document is written.
type Form[T any] struct {
	Encode func(T) ([]byte, error)
	Decode func(data []byte) (T, error)
	// Use, if not nil, is told of each version that is read or was stored, one call at a time. One that it refuses is not
	// taken, and never replaced.
	Use func(T) error
}

// A Doc is one document. It is safe for concurrent use.
type Doc[T any] struct {
	storage   Storage
	key, lock string
	form      Form[T]

	mu      sync.Mutex // around the storage
	known   bool       // it was there at some time
	data    []byte     // as it is stored; nil: never known, or shed
	current atomic.Pointer[T]
}

// New returns the document under a key, which is changed under a lock of the storage. Nothing is read yet.
func New[T any](storage Storage, key string, form Form[T]) *Doc[T] {
	lock := strings.ReplaceAll(strings.TrimSuffix(key, path.Ext(key)), "/", "_")
	d := &Doc[T]{storage: storage, key: key, lock: lock, form: form}
	d.current.Store(new(T))
	return d
}

// Get returns the document as it was read or stored last; the zero T if it never was there. Nobody may change what it holds.
func (d *Doc[T]) Get() T { return *d.current.Load() }

// Known reports whether the document was there at some time.
func (d *Doc[T]) Known() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known
}

// Shed lets go of what the document holds, where that is much and rarely asked for: Get returns the zero T until the next
// Read or Update. That it was there is remembered.
func (d *Doc[T]) Shed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.data = nil
	d.current.Store(new(T))
}

// Read reads the document. One that never was there is no error.
//
// Errors: [ErrVanished], those of the form and of the storage.
func (d *Doc[T]) Read(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.read(ctx)
}

func (d *Doc[T]) read(ctx context.Context) error {
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
	if d.data != nil && bytes.Equal(data, d.data) {
		return nil
	}
	value, err := d.form.Decode(data)
	if err == nil {
		err = d.take(value, data)
	}
	if errors.Is(err, ErrDamaged) {
		err = fmt.Errorf("%w; restore %s in the storage from a backup, or delete it and restart to begin a new one (it is never overwritten)", err, d.key)
	}
	if err != nil {
		return fmt.Errorf("loading %s: %w", d.key, err)
	}
	return nil
}

func (d *Doc[T]) take(value T, data []byte) error {
	if d.form.Use != nil {
		if err := d.form.Use(value); err != nil {
			return err
		}
	}
	d.current.Store(&value)
	d.data, d.known = data, true
	return nil
}

// Update reads the document under the storage's lock, so that of several nodes each sees what the one before it
// stored, and stores what change makes of it, unless that is the same. Change must leave alone what it is given.
func (d *Doc[T]) Update(ctx context.Context, change func(T) (T, error)) (err error) {
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
	before := d.data
	if before == nil {
		if before, err = d.form.Encode(d.Get()); err != nil {
			return fmt.Errorf("encoding %s: %w", d.key, err)
		}
	}
	value, err := change(d.Get())
	if err != nil {
		return err
	}
	data, err := d.form.Encode(value)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", d.key, err)
	}
	if bytes.Equal(data, before) {
		return nil
	}
	if err := d.storage.Store(ctx, d.key, data); err != nil {
		return fmt.Errorf("storing %s: %w", d.key, err)
	}
	if err := d.take(value, data); err != nil {
		return fmt.Errorf("storing %s: %w", d.key, err) // a fault of change
	}
	return nil
}

// Make reads the document, and makes it if it never was there. Of several nodes at once one does.
func (d *Doc[T]) Make(ctx context.Context, how func() (T, error)) (T, error) {
	if err := d.Read(ctx); err != nil || d.Known() {
		return d.Get(), err
	}
	err := d.Update(ctx, func(T) (T, error) {
		if d.known {
			return d.Get(), nil // another node was faster
		}
		return how()
	})
	return d.Get(), err
}
