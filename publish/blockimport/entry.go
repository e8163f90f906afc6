package blockimport

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// An Entry is a block as the API of MediaWiki lists it: action=query&list=blocks or list=globalblocks, with formatversion=2.
type Entry struct {
	User    string `json:"user"`    // list=blocks
	Address string `json:"address"` // list=globalblocks; of later versions: target
	Aim     string `json:"target"`
	// Expiry is a time such as 2027-01-31T00:00:00Z, or "infinity".
	Expiry        string       `json:"expiry"`
	Reason        string       `json:"reason"`
	Automatic     bool         `json:"automatic"`
	AnonOnly      bool         `json:"anononly"`
	NoCreate      bool         `json:"nocreate"`
	Autoblock     bool         `json:"autoblock"`
	NoEmail       bool         `json:"noemail"`
	AllowUserTalk bool         `json:"allowusertalk"`
	Partial       bool         `json:"partial"`
	Restrictions  Restrictions `json:"restrictions"`
}

// Restrictions are what a partial block is of.
type Restrictions struct {
	Pages []struct {
		Title string `json:"title"`
	} `json:"pages"`
	Namespaces []int    `json:"namespaces"`
	Actions    []string `json:"actions"`
}

// UnmarshalJSON reads restrictions; PHP writes none as an empty list.
func (r *Restrictions) UnmarshalJSON(data []byte) error {
	type plain Restrictions
	if strings.TrimSpace(string(data)) == "[]" {
		*r = Restrictions{}
		return nil
	}
	return json.Unmarshal(data, (*plain)(r))
}

// Target is whom the entry blocks: an address, a range, or an account's name.
func (e Entry) Target() string {
	for _, name := range []string{e.User, e.Address, e.Aim} {
		if name != "" {
			return name
		}
	}
	return ""
}

// ends is the expiry in a form that sorts.
func (e Entry) ends() string {
	if e.Expiry == "" || strings.HasPrefix(e.Expiry, "in") || e.Expiry == "never" {
		return "infinity"
	}
	return e.Expiry
}

// Form is the request to MediaWiki's API that makes a block, without its token.
func (b Block) Form(name string, global bool) url.Values {
	form := url.Values{"action": {"block"}, "user": {name}, "expiry": {b.ends()}, "reason": {b.Reason}}
	if global {
		form = url.Values{"action": {"globalblock"}, "target": {name}, "expiry": {b.ends()}, "reason": {b.Reason}}
	}
	for flag, set := range map[string]bool{"anononly": b.AnonOnly, "nocreate": b.NoCreate && !global, "autoblock": b.Autoblock && !global,
		"noemail": b.NoEmail && !global, "allowusertalk": b.AllowUserTalk && !global, "partial": b.Partial && !global} {
		if set {
			form.Set(flag, "1")
		}
	}
	if !b.Partial || global {
		return form
	}
	var pages, namespaces []string
	for _, p := range b.Restrictions.Pages {
		pages = append(pages, p.Title)
	}
	for _, n := range b.Restrictions.Namespaces {
		namespaces = append(namespaces, strconv.Itoa(n))
	}
	for name, list := range map[string][]string{"pagerestrictions": pages, "namespacerestrictions": namespaces, "actionrestrictions": b.Restrictions.Actions} {
		if len(list) > 0 {
			form.Set(name, "\x1f"+strings.Join(list, "\x1f")) // the API's separator for values that may hold "|"
		}
	}
	return form
}

// maxEntries is how many blocks a list may have.
const maxEntries = 1_000_000

// Read reads lists of blocks: the API's answers, one after another, or arrays of their entries.
func Read(from io.Reader) ([]Entry, error) {
	decoder := json.NewDecoder(from)
	var all []Entry
	for n := 1; ; n++ {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if err == io.EOF && n > 1 {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the list of blocks: %w", err)
		}
		entries, _, err := page(raw)
		if err != nil {
			return nil, err
		}
		if all = append(all, entries...); len(all) > maxEntries {
			return nil, fmt.Errorf("the list has more than %d blocks", maxEntries)
		}
	}
}

// page reads one answer of the API, or an array, and what the next one is asked with.
func page(raw json.RawMessage) ([]Entry, map[string]string, error) {
	var entries []Entry
	if strings.HasPrefix(string(raw), "[") {
		if err := json.Unmarshal(raw, &entries); err != nil {
			return nil, nil, fmt.Errorf("reading the list of blocks: %w", err)
		}
		return entries, nil, nil
	}
	var answer struct {
		Error    *struct{ Code, Info string }
		Continue map[string]string
		Query    *struct{ Blocks, GlobalBlocks []Entry }
	}
	switch err := json.Unmarshal(raw, &answer); {
	case err != nil:
		return nil, nil, fmt.Errorf("reading the list of blocks (is it of formatversion=2?): %w", err)
	case answer.Error != nil:
		return nil, nil, fmt.Errorf("the wiki's API says %s: %s", answer.Error.Code, answer.Error.Info)
	case answer.Query == nil:
		return nil, nil, errors.New(`the list of blocks has no "query": is it an answer to action=query&list=blocks?`)
	}
	return append(answer.Query.Blocks, answer.Query.GlobalBlocks...), answer.Continue, nil
}
