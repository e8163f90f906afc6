package caddymodule

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/masking"
)

const (
	cspSecretKey  = "wikiveil/csp_secret.json"
	cspSecretLock = "wikiveil_csp_secret"
)

var errBadCSPSecret = errors.New("the secret of reports and rollouts is damaged")

// cspSecretFile is the stored form.
type cspSecretFile struct {
	Version int    `json:"version"`
	Secret  string `json:"secret"` // hex
}

// openCSPSecret returns the secret of reports and rollouts, made and stored if there is
// none. It is not an epoch's: what is counted, and who is in a rollout, outlives those.
// Nodes that share the storage share it. A damaged one is refused and never overwritten.
func openCSPSecret(ctx context.Context, storage certmagic.Storage) (_ []byte, err error) {
	secret, err := loadCSPSecret(ctx, storage)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := storage.Lock(ctx, cspSecretLock); err != nil {
		return nil, fmt.Errorf("locking the secret of reports and rollouts: %w", err)
	}
	defer func() {
		// The lock must go even where the caller's time has run out.
		if unlockErr := storage.Unlock(context.WithoutCancel(ctx), cspSecretLock); unlockErr != nil && err == nil {
			err = fmt.Errorf("unlocking the secret of reports and rollouts: %w", unlockErr)
		}
	}()
	if secret, err = loadCSPSecret(ctx, storage); !errors.Is(err, fs.ErrNotExist) {
		return secret, err // another node was first
	}
	secret = make([]byte, masking.MinSecretSize)
	rand.Read(secret) // never fails
	data, err := json.Marshal(cspSecretFile{Version: 1, Secret: hex.EncodeToString(secret)})
	if err != nil {
		return nil, err
	}
	if err := storage.Store(ctx, cspSecretKey, data); err != nil {
		return nil, fmt.Errorf("storing the secret of reports and rollouts: %w", err)
	}
	return secret, nil
}

// loadCSPSecret gives errors that hold nothing of what is stored.
func loadCSPSecret(ctx context.Context, storage certmagic.Storage) ([]byte, error) {
	data, err := storage.Load(ctx, cspSecretKey)
	if err != nil {
		return nil, fmt.Errorf("loading the secret of reports and rollouts: %w", err)
	}
	var file cspSecretFile
	if err = json.Unmarshal(data, &file); err != nil || file.Version != 1 {
		err = errBadCSPSecret
	}
	secret, parseErr := masking.ParseSecret(file.Secret)
	if err != nil || parseErr != nil {
		return nil, fmt.Errorf("%w: restore %s in the storage from a backup, or delete it: then all clients draw anew"+
			" whom a rollout is for", errBadCSPSecret, cspSecretKey)
	}
	return secret, nil
}
