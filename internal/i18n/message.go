package i18n

import "strings"

// A Message is a text whose reader isn't known yet. As a parameter of another it is in that one's language, as whatever has an In method is.
type Message struct {
	Key  string
	Args []any

	verbatim string
}

// Verbatim is a message that is the same in all languages: what an operator wrote, or what only programs read.
func Verbatim(text string) Message { return Message{verbatim: text} }

// In returns the message in a language, as plain text.
func (m Message) In(l *Language) string {
	if m.Key == "" {
		return m.verbatim
	}
	return l.Text(m.Key, m.Args...)
}

// String returns it in English, for logs.
func (m Message) String() string { return m.In(English()) }

// A List is a list in running text, of texts and of what has an In method.
type List []any

// ListOf makes a List.
func ListOf[T any](items []T) List {
	list := make(List, len(items))
	for i, item := range items {
		list[i] = item
	}
	return list
}

// In returns the list in a language.
func (items List) In(l *Language) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = l.arg(item)
	}
	return strings.Join(texts, l.Text("list-separator"))
}
