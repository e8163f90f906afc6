package edge

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/masking"
)

// caddyFileLimit is where Caddy cuts what a {file.*} placeholder gives, without a word.
const caddyFileLimit = 1 << 20

// Expand replaces placeholders by what files and the environment say. A file that Caddy may
// have cut is refused: of a list the rest would be missing, and half a line be taken for one.
func Expand(text string) (string, error) {
	value := caddy.NewReplacer().ReplaceAll(text, "")
	// Caddy takes the end of the last line off, after it has cut.
	if strings.Contains(text, "{file.") && len(value) >= caddyFileLimit-len("\r\n") {
		return "", fmt.Errorf("%s gives %d bytes or more, which is as far as Caddy reads a file: make the file smaller", text, caddyFileLimit-len("\r\n"))
	}
	return value, nil
}

// fileOf returns the path of a file that a placeholder stands for, and nothing but it.
func fileOf(text string) (path string, ok bool) {
	path, ok = strings.CutPrefix(text, "{file.")
	path, closed := strings.CutSuffix(path, "}")
	return path, ok && closed && path != "" && !strings.ContainsAny(path, "{}")
}

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
