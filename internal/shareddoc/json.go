package shareddoc

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// version is that of the form that JSON writes.
const version = 1

// header is the first line of a document; the sum is that of all that follows, the JSON of a T.
type header struct {
	Version int    `json:"version"`
	SHA256  string `json:"sha256"` // hex
}

// JSON is the form of a document that is JSON of a T behind a line with a checksum. What is damaged, or what check refuses, is
// [ErrDamaged]; errors quote nothing of it. Check may be nil.
func JSON[T any](check func(T) error) Form[T] {
	return Form[T]{Encode: encode[T], Decode: func(data []byte) (value T, err error) {
		first, body, _ := bytes.Cut(data, []byte("\n"))
		var h header
		if err := json.Unmarshal(first, &h); err != nil {
			return value, fmt.Errorf("%w: its first line is not of its form", ErrDamaged)
		}
		if h.Version != version {
			return value, fmt.Errorf("%w: unknown version %d", ErrDamaged, h.Version)
		}
		if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != h.SHA256 {
			return value, fmt.Errorf("%w: wrong checksum", ErrDamaged)
		}
		if err := json.Unmarshal(body, &value); err != nil {
			return value, fmt.Errorf("%w: it is not of its form", ErrDamaged)
		}
		if check != nil {
			if err := check(value); err != nil {
				return value, fmt.Errorf("%w: %w", ErrDamaged, err)
			}
		}
		return value, nil
	}}
}

func encode[T any](value T) ([]byte, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	first, err := json.Marshal(header{version, hex.EncodeToString(sum[:])})
	if err != nil {
		return nil, err
	}
	return append(append(first, '\n'), body...), nil
}

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
