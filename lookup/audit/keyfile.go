package audit

import (
	"context"
	"fmt"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

// KeysKey is the storage key the secret of the keys is kept under. Without it the log can't be read.
const KeysKey = "wikiveil/audit_keys.json"

// OpenKeys returns the keys of the secret in storage, which is made if there is none. Nodes that
// share the storage share the keys. A damaged secret is refused and never overwritten.
func OpenKeys(ctx context.Context, storage shareddoc.Storage) (*Keys, error) {
	secret, err := shareddoc.Secret(ctx, storage, KeysKey)
	if err != nil {
		return nil, fmt.Errorf("the audit keys: %w", err)
	}
	return NewKeys(secret)
}
