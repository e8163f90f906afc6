package text

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
)

// ReadFile reads a file that a person names, and refuses one that is too long: it may be a device that never ends.
func ReadFile(name string, limit int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return ReadUpTo(file, name, limit)
}

// ReadUpTo reads all of something, and refuses what is too long.
func ReadUpTo(from io.Reader, name string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", name, limit)
	}
	return data, err
}

// IsVisible reports whether a terminal shows a text as it is, and nothing else.
func IsVisible(text string) bool {
	for len(text) > 0 && ' ' <= text[0] && text[0] <= '~' { // most are nothing else, and this takes a quarter of the time
		text = text[1:]
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}
