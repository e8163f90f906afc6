package policy

import (
	"context"
	"fmt"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

const cspSecretKey = "wikiveil/csp_secret.json"

// openCSPSecret returns the secret of rollouts. It is not an epoch's: who is in a rollout outlives those. With a new one all clients draw anew whether a rollout is for them.
func openCSPSecret(ctx context.Context, storage shareddoc.Storage) ([]byte, error) {
	secret, err := shareddoc.Secret(ctx, storage, cspSecretKey)
	if err != nil {
		return nil, fmt.Errorf("the secret of rollouts: %w", err)
	}
	return secret, nil
}
