package masking

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Epoch is one secret of a key ring with the time it starts to be used.
type Epoch struct {
	id     string
	start  time.Time
	secret []byte
}

// ID names the epoch in public. It is derived from the secret and does not give it away.
func (e Epoch) ID() string { return e.id }

// Start is when the epoch begins to make masks. It is zero for a configured secret.
func (e Epoch) Start() time.Time { return e.start }

// Masker makes masks under this epoch; see [NewMasker].
func (e Epoch) Masker(site string, v6Prefix int) (*Masker, error) {
	return NewMasker(e.secret, site, v6Prefix)
}

// Key derives the key for one use under this epoch; see [DeriveKey]. It is gone with the epoch.
func (e Epoch) Key(use string) ([]byte, error) { return DeriveKey(e.secret, use) }

// String returns the epoch's id, so that no log or error can hold its secret.
func (e Epoch) String() string { return "epoch " + e.id }

// GoString is as safe as String for %#v.
func (e Epoch) GoString() string { return e.String() }

func newEpoch(secret []byte, start time.Time) (Epoch, error) {
	id, err := DeriveKey(secret, "epoch-id")
	if err != nil {
		return Epoch{}, err
	}
	return Epoch{id: hex.EncodeToString(id[:6]), start: start, secret: secret}, nil
}

// A Ring is a set of epochs. It never changes: what changes a ring returns another.
type Ring struct {
	epochs []Epoch // latest start first
}

// Errors that callers may test for.
var (
	ErrNoSecret    = errors.New("key ring has no secret")
	ErrSameSecret  = errors.New("key ring has the same secret twice")
	ErrBadRing     = errors.New("key ring is damaged")
	ErrClock       = errors.New("clock stands before the key ring's epochs; set it right")
	errRingVersion = errors.New("unknown version")
)

// ConfiguredRing is a ring of secrets given by an operator, the current one first.
func ConfiguredRing(secrets ...[]byte) (*Ring, error) {
	r := new(Ring)
	for _, s := range secrets {
		e, err := newEpoch(s, time.Time{})
		if err != nil {
			return nil, err
		}
		r.epochs = append(r.epochs, e)
	}
	return r, r.check()
}

// ParseSecret reads a secret in hex. Space around it, as files have, does not count.
// The error never quotes what it was given.
func ParseSecret(text string) ([]byte, error) {
	secret, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, errors.New("secret is not in hex (64 characters, such as `openssl rand -hex 32` prints)")
	}
	if len(secret) < MinSecretSize {
		return nil, fmt.Errorf("%w: it has %d (`openssl rand -hex 32` makes a good one)", ErrShortSecret, len(secret))
	}
	return secret, nil
}

func (r *Ring) check() error {
	if len(r.epochs) == 0 {
		return ErrNoSecret
	}
	seen := make(map[string]bool, len(r.epochs))
	for _, e := range r.epochs {
		if seen[e.id] {
			return ErrSameSecret
		}
		seen[e.id] = true
	}
	return nil
}

// Epochs returns all epochs, latest first; an epoch that is yet to start comes first.
func (r *Ring) Epochs() []Epoch { return slices.Clone(r.epochs) }

// Active returns the epoch in use at a time, then up to keep older ones.
// There is always one: should the clock stand before every start, the oldest.
func (r *Ring) Active(now time.Time, keep int) []Epoch {
	i := r.current(now)
	return slices.Clone(r.epochs[i:min(i+1+keep, len(r.epochs))])
}

func (r *Ring) current(now time.Time) int {
	for i, e := range r.epochs {
		if !e.start.After(now) {
			return i
		}
	}
	return len(r.epochs) - 1
}

// Next returns when the epoch starts that follows the one in use, if one is planned.
func (r *Ring) Next(now time.Time) (time.Time, bool) {
	if i := r.current(now); i > 0 {
		return r.epochs[i-1].start, true
	}
	return time.Time{}, false
}

// Rotate returns the ring with a new epoch that starts at a time. An epoch planned
// to start soon gives way to it. A ring from a farther future is not changed: the
// clock must be wrong, and the epoch that made the latest masks would be lost.
func (r *Ring) Rotate(now, start time.Time) (*Ring, error) {
	if len(r.epochs) > 0 && r.epochs[0].start.After(now.Add(rotationLead)) {
		return nil, fmt.Errorf("%w: the latest epoch starts at %v", ErrClock, r.epochs[0].start.Format(time.RFC3339))
	}
	secret := make([]byte, MinSecretSize)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("making a secret: %w", err)
	}
	// The stored form has milliseconds: what is kept must read back equal.
	e, err := newEpoch(secret, start.UTC().Truncate(time.Millisecond))
	if err != nil {
		return nil, err
	}
	next := &Ring{epochs: []Epoch{e}}
	if len(r.epochs) > 0 {
		next.epochs = append(next.epochs, r.epochs[r.current(now):]...)
	}
	return next, nil
}

// Forget returns the ring without the epochs that are older than the keep epochs
// before the one in use, and whether there were any.
func (r *Ring) Forget(now time.Time, keep int) (*Ring, bool) {
	last := r.current(now) + 1 + keep
	if last >= len(r.epochs) {
		return r, false
	}
	return &Ring{epochs: slices.Clone(r.epochs[:last])}, true
}

// ringFile is a ring's stored form, version 1.
type ringFile struct {
	Version int         `json:"version"`
	Epochs  []epochFile `json:"epochs"`
}

type epochFile struct {
	Start  time.Time `json:"start"`
	Secret string    `json:"secret"` // hex
}

func (r *Ring) encode() ([]byte, error) {
	file := ringFile{Version: 1}
	for _, e := range r.epochs {
		file.Epochs = append(file.Epochs, epochFile{Start: e.start, Secret: hex.EncodeToString(e.secret)})
	}
	return json.MarshalIndent(file, "", "\t")
}

func decodeRing(data []byte) (*Ring, error) {
	var file ringFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%w: not JSON of its form", ErrBadRing)
	}
	if file.Version != 1 {
		return nil, fmt.Errorf("%w: %w %d", ErrBadRing, errRingVersion, file.Version)
	}
	r := new(Ring)
	for _, ef := range file.Epochs {
		secret, err := ParseSecret(ef.Secret)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadRing, err)
		}
		e, err := newEpoch(secret, ef.Start)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadRing, err)
		}
		r.epochs = append(r.epochs, e)
	}
	slices.SortStableFunc(r.epochs, func(a, b Epoch) int {
		return cmp.Compare(b.start.UnixMilli(), a.start.UnixMilli())
	})
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadRing, err)
	}
	return r, nil
}
