package masklog

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/masking/spelling"
)

// Paths returns those of the absolute paths, and of the directories above them, that a log would not show otherwise.
func Paths(paths ...string) (own []string) {
	for _, path := range paths {
		for filepath.IsAbs(path) {
			path = filepath.Clean(path)
			if _, hidden := spelling.Hide(path, Masked); !hidden {
				break
			}
			own = append(own, path)
			path = filepath.Dir(path)
		}
	}
	slices.SortFunc(own, func(a, b string) int { return len(b) - len(a) })
	return own
}

// ConfigPaths returns the absolute paths in decoded JSON of a config.
func ConfigPaths(config any) (paths []string) {
	switch v := config.(type) {
	case string:
		if filepath.IsAbs(v) {
			paths = append(paths, v)
		}
	case []any:
		for _, element := range v {
			paths = append(paths, ConfigPaths(element)...)
		}
	case map[string]any:
		for _, member := range v {
			paths = append(paths, ConfigPaths(member)...)
		}
	}
	return paths
}

// cutPath cuts a text around one of the operator's own paths.
func (r *Rules) cutPath(text string) (before, path, after string, found bool) {
	if len(r.Paths) == 0 || strings.IndexByte(text, '/') < 0 {
		return text, "", "", false
	}
	for _, path := range r.Paths {
		if before, after, found := strings.Cut(text, path); found && endsBefore(after) {
			return before, path, after, true
		}
	}
	return text, "", "", false
}

// endsBefore reports whether a path has ended where a text goes on. A point, a colon or an escape might go on with an address that the
// path is only the beginning of.
func endsBefore(text string) bool {
	if text != "" && (text[0] == '.' || text[0] == ':') { // of a sentence
		text = text[1:]
		return text == "" || strings.IndexByte(" \n\"", text[0]) >= 0
	}
	return text == "" || strings.IndexByte("/ \t\n\"'`)]},;?", text[0]) >= 0
}
