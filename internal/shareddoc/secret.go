package shareddoc

import (
	"context"
	"crypto/rand"
	"errors"
)

// SecretSize is how long a [Secret] is.
const SecretSize = 32

// Secret returns the secret under a key of the storage, which all nodes share; it is made if there never was one.
//
// Errors: [ErrDamaged], those of the storage. They hold nothing of the secret.
func Secret(ctx context.Context, storage Storage, key string) ([]byte, error) {
	return New(storage, key, JSON(func(secret []byte) error {
		if len(secret) != SecretSize {
			return errors.New("it has another length")
		}
		return nil
	})).Make(ctx, func() ([]byte, error) {
		secret := make([]byte, SecretSize)
		rand.Read(secret) // never fails
		return secret, nil
	})
}
