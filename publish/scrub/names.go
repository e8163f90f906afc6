package scrub

import (
	"bytes"
	"encoding/xml"
	"net/url"
	"strings"
)

// names are what leads to a user in links: the names of namespaces, in small letters, with _ for spaces.
type names struct {
	users   [][]byte // of users and their talk pages
	special [][]byte
	others  map[string]bool // of what isn't about users; nil if the wiki's aren't known
	sqlite  bool            // a dump of SQLite, whose strings have no backslash escapes
}

// Namespaces of MediaWiki, by their numbers.
const (
	namespaceSpecial  = "-1"
	namespaceUser     = "2"
	namespaceUserTalk = "3"
)

func newNames() *names {
	n := new(names)
	n.add(namespaceUser, "User")
	n.add(namespaceUserTalk, "User talk")
	n.add(namespaceSpecial, "Special")
	return n
}

func (n *names) add(key, name string) {
	folded := strings.ReplaceAll(strings.ToLower(name), " ", "_")
	forms := [][]byte{[]byte(folded)}
	if escaped := strings.ToLower(url.PathEscape(folded)); escaped != folded {
		forms = append(forms, []byte(escaped))
	}
	switch key {
	case namespaceUser, namespaceUserTalk:
		n.users = append(n.users, forms...)
	case namespaceSpecial:
		n.special = append(n.special, forms...)
	default:
		if n.others != nil {
			n.others[folded] = true
		}
	}
}

// readNames reads the names of namespaces out of the head of an XML dump, and what else a head tells.
func readNames(head []byte) *names {
	n := newNames()
	n.sqlite = bytes.Contains(head[:min(len(head), 200)], []byte("PRAGMA foreign_keys"))
	start := bytes.Index(head, []byte("<namespaces>"))
	end := bytes.Index(head, []byte("</namespaces>"))
	if start < 0 || end < start {
		return n
	}
	var list struct {
		Namespaces []struct {
			Key  string `xml:"key,attr"`
			Name string `xml:",chardata"`
		} `xml:"namespace"`
	}
	if xml.Unmarshal(head[start:end+len("</namespaces>")], &list) != nil {
		return n
	}
	n.others = make(map[string]bool)
	for _, ns := range list.Namespaces {
		if ns.Name != "" {
			n.add(ns.Key, ns.Name)
		}
	}
	return n
}

// longestName is how far back a link's start is looked for, in bytes.
const longestName = 200

// leadsToUser reports whether what follows before is named by a link to a user: User:, User_talk%3A, Special:Contributions/,
// target=.
func (n *names) leadsToUser(before []byte) bool {
	before = before[max(0, len(before)-longestName):]
	if rest, ok := cutColon(before); ok {
		return endsInName(rest, n.users)
	}
	if rest, ok := cutSlash(before); ok {
		for i := len(rest); i > 0; i-- {
			if c := rest[i-1]; c == '[' || c == '|' || c == '"' || c <= ' ' && c != ' ' {
				return false
			}
			if before, ok := cutColon(rest[:i]); ok {
				return endsInName(before, n.special)
			}
		}
		return false
	}
	for _, field := range []string{"target=", "user=", "username="} {
		if bytes.HasSuffix(before, []byte(field)) {
			return len(before) == len(field) || bytes.IndexByte([]byte("?&;"), before[len(before)-len(field)-1]) >= 0 ||
				strings.HasPrefix(field, "user") && len(before) > len(field)+1 && before[len(before)-len(field)-1] == 'c'
		}
	}
	return false
}

// about reports whether a namespace may be one of users: an unknown name may be an alias, or lead to another wiki.
func (n *names) about(before []byte) bool {
	name, ok := cutColon(before)
	if !ok {
		return false
	}
	at := len(name)
	for at > 0 && bytes.IndexByte([]byte("[:|>/"), name[at-1]) < 0 && len(name)-at < longestName {
		at--
	}
	last := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(string(name[at:]))), " ", "_")
	return last != "" && (endsInName([]byte(last), n.users) || n.others != nil && !n.others[last])
}

func cutColon(text []byte) ([]byte, bool) { return cutEither(text, ":", "%3A", "%3a") }
func cutSlash(text []byte) ([]byte, bool) { return cutEither(text, "/", "%2F", "%2f") }

func cutEither(text []byte, ends ...string) ([]byte, bool) {
	for _, end := range ends {
		if bytes.HasSuffix(text, []byte(end)) {
			return text[:len(text)-len(end)], true
		}
	}
	return text, false
}

var spaces = strings.NewReplacer(" ", "_", "+", "_", "%20", "_")

// longestNamespace is how long the name of a namespace may be, in bytes as they stand in a URL.
const longestNamespace = 96

// endsInName reports whether a text ends in one of the names, and no word goes on before it.
func endsInName(text []byte, names [][]byte) bool {
	text = text[max(0, len(text)-longestNamespace):]
	if len(text) > 0 && !isNameByte(text[len(text)-1]) {
		return false
	}
	var room [longestNamespace]byte
	folded := foldName(room[:0], text)
	for _, name := range names {
		if before, ok := bytes.CutSuffix(folded, name); ok && (len(before) == 0 || !isNameByte(before[len(before)-1]) || before[len(before)-1] == '_') {
			return true
		}
	}
	return false
}

// foldName appends a text in small letters with _ for spaces.
func foldName(dst, text []byte) []byte {
	for _, c := range text {
		switch {
		case c >= 0x80 || c == '%':
			return append(dst[:0], spaces.Replace(strings.ToLower(string(text)))...)
		case c == ' ' || c == '+':
			c = '_'
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

func isNameByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c >= 0x80
}
