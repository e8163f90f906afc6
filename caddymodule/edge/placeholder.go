package edge

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
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
