package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
	"github.com/wikiveil/wikiveil/masking"
)

const cspSecretKey = "wikiveil/csp_secret.json"

// openCSPSecret returns the secret of reports and rollouts, made and stored if there is
// none. It is not an epoch's: what is counted, and who is in a rollout, outlives those.
// Nodes that share the storage share it. A new one has all clients draw anew whom a rollout is for.
func openCSPSecret(ctx context.Context, storage shareddoc.Storage) ([]byte, error) {
	secret, err := shareddoc.New(storage, cspSecretKey, shareddoc.JSON(func(secret []byte) error {
		if len(secret) < masking.MinSecretSize {
			return errors.New("it is too short")
		}
		return nil
	})).Make(ctx, func() ([]byte, error) {
		secret := make([]byte, masking.MinSecretSize)
		rand.Read(secret) // never fails
		return secret, nil
	})
	if err != nil {
		return nil, fmt.Errorf("the secret of reports and rollouts: %w", err)
	}
	return secret, nil
}
