package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/wikiveil/wikiveil/masking"
)

// KeysKey is the storage key the secret of the keys is kept under.
const KeysKey = "wikiveil/audit_keys.json"

const keysLock = "wikiveil_audit_keys"

// ErrBadKeys is the error for a damaged secret in storage.
var ErrBadKeys = errors.New("audit keys are damaged")

// keysFile is the stored form. The public key is there to show damage of the secret.
type keysFile struct {
	Version int    `json:"version"`
	Public  string `json:"public"` // hex
	Secret  string `json:"secret"` // hex
}

// OpenKeys returns the keys in storage, made and stored if there are none. Nodes that
// share the storage share the keys. Damaged ones are refused and never overwritten.
func OpenKeys(ctx context.Context, storage masking.Storage) (_ *Keys, err error) {
	keys, err := loadKeys(ctx, storage)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if err := storage.Lock(ctx, keysLock); err != nil {
		return nil, fmt.Errorf("locking the audit keys: %w", err)
	}
	defer func() {
		// The lock must go even where the caller's time has run out.
		if unlockErr := storage.Unlock(context.WithoutCancel(ctx), keysLock); unlockErr != nil && err == nil {
			err = fmt.Errorf("unlocking the audit keys: %w", unlockErr)
		}
	}()
	if keys, err := loadKeys(ctx, storage); !errors.Is(err, fs.ErrNotExist) {
		return keys, err // another node was first
	}
	secret := make([]byte, masking.MinSecretSize)
	rand.Read(secret) // never fails
	if keys, err = NewKeys(secret); err != nil {
		return nil, err
	}
	file := keysFile{Version: version, Public: hex.EncodeToString(keys.Public()), Secret: hex.EncodeToString(secret)}
	data, err := json.MarshalIndent(file, "", "\t")
	if err != nil {
		return nil, err
	}
	if err := storage.Store(ctx, KeysKey, data); err != nil {
		return nil, fmt.Errorf("storing the audit keys: %w", err)
	}
	return keys, nil
}

func loadKeys(ctx context.Context, storage masking.Storage) (*Keys, error) {
	data, err := storage.Load(ctx, KeysKey)
	if err != nil {
		return nil, fmt.Errorf("loading the audit keys: %w", err)
	}
	keys, err := decodeKeys(data)
	if err != nil {
		return nil, fmt.Errorf("loading the audit keys: %w; restore %s in the storage from a backup"+
			" (it is never overwritten; without it, the audit log can't be read)", err, KeysKey)
	}
	return keys, nil
}

// decodeKeys gives errors that hold nothing of what it was given.
func decodeKeys(data []byte) (*Keys, error) {
	var file keysFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%w: not JSON of its form", ErrBadKeys)
	}
	if file.Version != version {
		return nil, fmt.Errorf("%w: unknown version %d", ErrBadKeys, file.Version)
	}
	secret, err := masking.ParseSecret(file.Secret)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadKeys, err)
	}
	keys, err := NewKeys(secret)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadKeys, err)
	}
	if hex.EncodeToString(keys.Public()) != file.Public {
		return nil, fmt.Errorf("%w: the secret is not that of the public key beside it", ErrBadKeys)
	}
	return keys, nil
}
