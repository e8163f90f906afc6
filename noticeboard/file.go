package noticeboard

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxFile is the largest file of tools, in bytes.
const maxFile = 4 << 20

// Parse reads a file of tools: a toolinfo.json with members of ours, as the
// package's documentation tells. The name is the file's, for errors, which name
// the line of the entry too.
func Parse(data []byte, name string) (*Board, error) {
	list, bad, err := parseFile(data, name)
	if err == nil && len(bad) > 0 {
		err = bad[0].err
	}
	if err != nil {
		return nil, err
	}
	return newBoard(list)
}

// badEntry is an entry of a file that can't be used.
type badEntry struct {
	name string // of the tool, as far as it can be told
	err  error
}

// parseFile returns the declarations of a file, and the entries that are none.
func parseFile(data []byte, name string) (list []declaration, bad []badEntry, err error) {
	if len(data) > maxFile {
		return nil, nil, fmt.Errorf("reading %s: it is larger than %d bytes", name, maxFile)
	}
	entries, err := splitEntries(bytes.TrimPrefix(data, []byte("\ufeff"))) // which editors put there
	switch {
	case err != nil && !utf8.Valid(data):
		return nil, nil, fmt.Errorf("reading %s: it isn't UTF-8", name)
	case err != nil:
		return nil, nil, fmt.Errorf("reading %s: %w", name, err)
	}
	list = make([]declaration, 0, len(entries))
	for _, e := range entries {
		d, err := declaration{}, errors.New("it isn't UTF-8")
		if utf8.Valid(e.json) {
			d, err = e.declaration()
		}
		d.place = fmt.Sprintf("%s:%d", name, e.line)
		if err == nil && !d.listed {
			err = d.tool.Validate()
		}
		if err != nil {
			bad = append(bad, badEntry{e.name(), fmt.Errorf("reading %s: %w", d.place, err)})
			continue
		}
		list = append(list, d)
	}
	return list, bad, nil
}

// withoutRepeats leaves out the declarations whose name stands before, in the configuration or
// in the file itself, and tells which.
func withoutRepeats(configured, list []declaration) (rest []declaration, repeated []error) {
	places := make(map[string]string)
	for _, d := range configured {
		if d.tool != nil { // or it is refused later, with its number
			places[d.tool.Name] = d.place
		}
	}
	for _, d := range list {
		if first, again := places[d.tool.Name]; again {
			repeated = append(repeated, fmt.Errorf("reading %s: tool %q is declared twice, first in %s: rename or remove one", d.place, d.tool.Name, first))
			continue
		}
		places[d.tool.Name] = d.place
		rest = append(rest, d)
	}
	return rest, repeated
}

// withoutSharedAddresses leaves out the declarations that lead gadgets from where another tool does already, and tells which. What a tool said
// before takes the place of what is left out, unless that would lead gadgets from the same addresses.
func withoutSharedAddresses(configured, list, before []declaration) (rest []declaration, shared []error) {
	led := make(ledAddresses)
	add := func(d declaration) error {
		if d.tool == nil || d.listed || !d.tool.Rewrite {
			return nil
		}
		own, err := d.tool.normalised()
		if err != nil {
			return nil // it is refused later
		}
		return led.add(own)
	}
	for _, d := range configured {
		_ = add(d) // refused later
	}
	for _, d := range list {
		if err := add(d); err != nil {
			shared = append(shared, fmt.Errorf("reading %s: %w", d.place, err))
			i := slices.IndexFunc(before, func(old declaration) bool { return old.tool.Name == d.tool.Name })
			if i < 0 || add(before[i]) != nil {
				continue
			}
			d = before[i]
		}
		rest = append(rest, d)
	}
	return rest, shared
}

// entry is one tool's JSON and the line on which it starts.
type entry struct {
	json []byte
	line int
}

// splitEntries takes one object or an array of them.
func splitEntries(data []byte) ([]entry, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	var entries []entry
	next := func() error {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return plainSyntax(err, data)
		}
		line := lineAt(data, dec.InputOffset()-int64(len(raw)))
		if len(entries) == maxTools {
			return fmt.Errorf("line %d: more than %d tools", line, maxTools)
		}
		entries = append(entries, entry{raw, line})
		return nil
	}
	if first := bytes.TrimLeft(data, " \t\r\n"); len(first) == 0 || first[0] != '[' {
		if err := next(); err != nil {
			return nil, err
		}
		if entries[0].json[0] != '{' {
			return nil, fmt.Errorf("line %d: a tool must be a JSON object", entries[0].line)
		}
		return entries, ended(dec, data)
	}
	_, _ = dec.Token() // the bracket
	for dec.More() {
		if err := next(); err != nil {
			return nil, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, plainSyntax(err, data)
	}
	return entries, ended(dec, data)
}

// ended refuses what follows the one value of a file.
func ended(dec *json.Decoder, data []byte) error {
	at := dec.InputOffset()
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("line %d: something follows the end of the list", lineAt(data, at))
	}
	return nil
}

// plainSyntax says where the JSON is broken.
func plainSyntax(err error, data []byte) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it isn't whole JSON: it ends too early, or is empty")
	}
	// A decoder's own errors don't count from the start of the file.
	if syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(data, new(json.RawMessage))); ok {
		return fmt.Errorf("line %d: it isn't JSON: %w", lineAt(data, syntax.Offset), syntax)
	}
	return fmt.Errorf("it isn't JSON: %w", err)
}

func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(max(offset, 0), int64(len(data)))], []byte("\n"))
}

// name is the name of the tool that an entry is about, if it can be told.
func (e entry) name() string {
	var named struct {
		Name     string
		Wikiveil struct{ Name string }
	}
	_ = json.Unmarshal(e.json, &named) // reads what it can
	return cmp.Or(named.Wikiveil.Name, named.Name)
}

// declaration reads an entry.
func (e entry) declaration() (declaration, error) {
	if e.json[0] != '{' {
		return declaration{}, errors.New("a tool must be a JSON object")
	}
	if err := checkMembers(e.json); err != nil {
		return declaration{}, err
	}
	var info toolinfo
	if err := json.Unmarshal(e.json, &info); err != nil {
		return declaration{}, plainType(err)
	}
	if info.Name == "" || !printable(info.Name, 255) {
		return declaration{}, errors.New("a tool's name must be 1 to 255 bytes of printable text")
	}
	imported := info.tool()
	if info.Wikiveil == nil {
		if field := e.misplaced(); field != "" {
			return declaration{}, fmt.Errorf(`tool %q: %s does nothing here: move it into an object "wikiveil"`, info.Name, field)
		}
		return declaration{tool: imported, listed: true}, nil
	}
	tool := new(Tool)
	dec := json.NewDecoder(bytes.NewReader(*info.Wikiveil))
	dec.DisallowUnknownFields()
	if err := dec.Decode(tool); err != nil {
		return declaration{}, fmt.Errorf("tool %q: wikiveil: %w", info.Name, plainType(err))
	}
	tool.fillFrom(imported)
	return declaration{tool: tool}, nil
}

// fillFrom takes over what a declaration doesn't say.
func (t *Tool) fillFrom(imported *Tool) {
	for _, text := range []struct{ own, from *string }{
		{&t.Name, &imported.Name}, {&t.Title, &imported.Title}, {&t.Purpose, &imported.Purpose}, {&t.URL, &imported.URL},
		{&t.Author, &imported.Author}, {&t.Source, &imported.Source}, {&t.Privacy, &imported.Privacy}, {&t.Contact, &imported.Contact},
	} {
		if *text.own == "" {
			*text.own = *text.from
		}
	}
}

// misplaced finds a member of ours that would do nothing, as it stands outside.
// Those whose names a later toolinfo might take for itself are left alone.
func (e entry) misplaced() string {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(e.json, &members)
	for _, field := range []string{"origin", "hosts", "kinds", "access", "executable", "integrity", "expires", "disabled"} {
		if _, ok := members[field]; ok {
			return field
		}
	}
	return ""
}

// plainType says what is wrong in the words of JSON and not of Go.
func plainType(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return fmt.Errorf("a JSON %s stands where something else must", wrong.Value)
		}
		return fmt.Errorf("%s can't be a JSON %s", wrong.Field, wrong.Value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

const maxDepth = 32 // of JSON in an entry

// checkMembers refuses objects that name a member twice, of which programs take
// one or the other, and deep nesting. Names differ by more than case, as
// encoding/json takes no notice of it.
func checkMembers(data []byte) error {
	type object struct {
		names map[string]bool // nil for an array
		value bool            // a value comes next
	}
	var open []object
	dec := json.NewDecoder(bytes.NewReader(data))
	for {
		token, err := dec.Token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return plainType(err)
		}
		if last := len(open) - 1; last >= 0 && open[last].names != nil && token != json.Delim('}') {
			if !open[last].value {
				name := strings.ToLower(token.(string))
				if open[last].names[name] {
					return fmt.Errorf("the member %q is given twice", name)
				}
				open[last].names[name] = true
			}
			open[last].value = !open[last].value
		}
		switch token {
		case json.Delim('{'):
			open = append(open, object{names: make(map[string]bool)})
		case json.Delim('['):
			open = append(open, object{})
		case json.Delim('}'), json.Delim(']'):
			open = slices.Delete(open, len(open)-1, len(open))
		}
		if len(open) > maxDepth {
			return fmt.Errorf("it is nested deeper than %d", maxDepth)
		}
	}
}
