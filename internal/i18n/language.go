package i18n

import (
	"fmt"
	"html"
	"html/template"
	"net/url"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
)

// A Language has all messages in one language; what it lacks, it has in English.
type Language struct {
	// Code is the BCP 47 tag, such as "de"; Dir is "ltr" or "rtl".
	Code, Dir string

	tag      language.Tag
	printer  *message.Printer
	plurals  []form
	messages map[string]text
}

// String returns the code.
func (l *Language) String() string { return l.Code }

// Name is what the language calls itself.
func (l *Language) Name() string { return l.messages["language-name"].String() }

// Text returns a message as plain text. Parameters are texts, or numbers, which are written as the language writes them.
func (l *Language) Text(key string, args ...any) string {
	var b strings.Builder
	l.text(key).write(&b, l, plain{isolate: l.Dir == "rtl"}, args)
	return b.String()
}

// HTML returns a message for a page. Parameters are escaped, but for template.HTML; where the language is written from right to left, or may be a
// parameter, it is set apart from what is around it.
func (l *Language) HTML(key string, args ...any) template.HTML {
	var b strings.Builder
	l.text(key).write(&b, l, markup{isolate: l.Dir == "rtl"}, args)
	return template.HTML(b.String()) //nolint:gosec // all but the markup of our own files is escaped
}

// text panics where no language has the key: each key stands in the program itself.
func (l *Language) text(key string) text {
	if t, ok := l.messages[key]; ok {
		return t
	}
	panic(fmt.Sprintf("i18n: there is no message %q", key))
}

// arg writes a parameter as plain text.
func (l *Language) arg(a any) string {
	switch a := a.(type) {
	case int, int64, uint64, uint32, uint16, int32, uint:
		return l.printer.Sprint(number.Decimal(a))
	case template.HTML:
		return string(a)
	case interface{ In(*Language) string }:
		return a.In(l)
	}
	return fmt.Sprint(a)
}

// What a message is written into.
type output interface {
	words(b *strings.Builder, s string)
	argument(b *strings.Builder, l *Language, a any)
	link(b *strings.Builder, to any, words func())
}

type plain struct{ isolate bool }

func (plain) words(b *strings.Builder, s string)           { b.WriteString(s) }
func (plain) link(_ *strings.Builder, _ any, words func()) { words() }

func (p plain) argument(b *strings.Builder, l *Language, a any) {
	text := l.arg(a)
	if p.isolate || otherDirection(text) {
		text = "\u2068" + text + "\u2069" // first strong isolate, and its end
	}
	b.WriteString(text)
}

type markup struct{ isolate bool }

// Only these are markup: what a translator writes is nothing but text.
var allowed = strings.NewReplacer("&lt;b&gt;", "<b>", "&lt;/b&gt;", "</b>", "&lt;em&gt;", "<em>", "&lt;/em&gt;", "</em>",
	"&lt;strong&gt;", "<strong>", "&lt;/strong&gt;", "</strong>", "&lt;code&gt;", "<code>", "&lt;/code&gt;", "</code>")

func (markup) words(b *strings.Builder, s string) {
	b.WriteString(allowed.Replace(html.EscapeString(s)))
}

func (m markup) argument(b *strings.Builder, l *Language, a any) {
	text := l.arg(a)
	if _, ok := a.(template.HTML); !ok {
		text = html.EscapeString(text)
	}
	if m.isolate || otherDirection(text) {
		text = "<bdi>" + text + "</bdi>"
	}
	b.WriteString(text)
}

// otherDirection reports whether a text may hold words from right to left: whether it has letters above Armenian ones.
func otherDirection(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r >= 0x590 })
}

func (markup) link(b *strings.Builder, to any, words func()) {
	address := fmt.Sprint(to)
	if u, err := url.Parse(address); err != nil || u.Scheme != "" && u.Scheme != "https" && u.Scheme != "http" {
		address = "#" // as a template's links, it runs nothing
	}
	fmt.Fprintf(b, `<a href="%s">`, html.EscapeString(address))
	words()
	b.WriteString("</a>")
}
