package i18n

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

//go:embed messages
var files embed.FS

// all are the languages, English first. They are read when the first is asked for.
var all = sync.OnceValue(func() []*Language {
	languages, err := load(files)
	if err != nil {
		panic("i18n: " + err.Error()) // TestMessages finds it before
	}
	return languages
})

// rtl are the scripts that are written from right to left.
var rtl = map[string]bool{"Arab": true, "Hebr": true, "Syrc": true, "Thaa": true, "Nkoo": true, "Adlm": true}

// load reads the message files and checks them against English: each key that a language has, English has too, with the same parameters.
func load(from fs.FS) ([]*Language, error) {
	names, err := fs.Glob(from, "messages/*.json")
	if err != nil {
		return nil, err
	}
	english, err := read(from, "en", nil)
	if err != nil {
		return nil, err
	}
	languages := []*Language{english}
	for _, name := range names {
		code := strings.TrimSuffix(path.Base(name), ".json")
		if code == "en" || code == "qqq" {
			continue
		}
		l, err := read(from, code, english)
		if err != nil {
			return nil, err
		}
		languages = append(languages, l)
	}
	return languages, nil
}

func read(from fs.FS, code string, english *Language) (*Language, error) {
	texts, err := readFile(from, code)
	if err != nil {
		return nil, err
	}
	tag, err := language.Parse(code)
	if err != nil {
		return nil, fmt.Errorf("messages/%s.json: %w", code, err)
	}
	l := &Language{Code: code, Dir: "ltr", tag: tag, printer: message.NewPrinter(tag), plurals: categories(tag), messages: map[string]text{}}
	if script, _ := tag.Script(); rtl[script.String()] {
		l.Dir = "rtl"
	}
	if english != nil {
		l.messages = maps.Clone(english.messages)
	}
	for key, words := range texts {
		t, err := parse(words)
		if err == nil && strings.TrimSpace(words) == "" {
			err = errors.New("is empty")
		}
		if err == nil && english != nil {
			err = english.fits(key, t)
		}
		if err != nil {
			return nil, fmt.Errorf("messages/%s.json: %s: %w", code, key, err)
		}
		l.messages[key] = t
	}
	return l, nil
}

// fits checks a translation.
func (english *Language) fits(key string, t text) error {
	original, ok := english.messages[key]
	switch {
	case !ok:
		return errors.New("English has no such message")
	case t.parameters()&^original.parameters() != 0:
		return errors.New("has a parameter that the English message lacks")
	}
	return nil
}

// readFile returns the texts of a file by key, without what is about the file.
func readFile(from fs.FS, code string) (map[string]string, error) {
	name := "messages/" + code + ".json"
	data, err := fs.ReadFile(from, name)
	if err != nil {
		return nil, err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	delete(raw, "@metadata")
	texts := make(map[string]string, len(raw))
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		var words string
		if err := json.Unmarshal(raw[key], &words); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, key, err)
		}
		texts[key] = words
	}
	return texts, nil
}
