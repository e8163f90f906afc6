package edge

import (
	"fmt"

	"github.com/wikiveil/wikiveil/masking"
)

// ResolveSecrets reads the configured secrets out of the environment and files.
func (a *App) ResolveSecrets() ([][]byte, error) {
	var secrets [][]byte
	for i, text := range a.Secrets {
		secret, empty, err := resolveSecret(text)
		if empty {
			// The text may be the secret itself: name its place, not it.
			return nil, fmt.Errorf("secret %d is empty: is its environment variable or file there?", i+1)
		}
		if err != nil {
			return nil, fmt.Errorf("secret %d: %w", i+1, err)
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

// resolveSecret reads one secret. Empty is where a placeholder gave nothing, as may be
// when a config is adapted on another machine than it runs on.
func resolveSecret(text string) (secret []byte, empty bool, err error) {
	value, err := Expand(text)
	if value == "" {
		return nil, err == nil, err
	}
	secret, err = masking.ParseSecret(value)
	return secret, false, err
}
