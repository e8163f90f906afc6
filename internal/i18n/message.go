package i18n

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
