package page

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/internal/i18n"
)

// Frame is what the layout shows. A view embeds it, and says all it has to say by its T and Plain.
type Frame struct {
	// Language is the page's; nil is English.
	Language *i18n.Language
	// Title stands in the tab and above the body.
	Title string
	// ID is the body's. Default: none.
	ID string
	// Sheet is the address of the style sheet, see [SheetAddress]. Where it is empty, the sheet is in the page, in an element with Nonce: where
	// another policy may hold too, which forbids that, the sheet needs its address.
	Sheet string
	Nonce string
	// Query is what the links to the page in other languages keep of its address. Leave out what should not be asked for twice.
	Query string

	asked bool // the address names the language, and so do the page's links
}

// maxQuery is the longest query in bytes that links to other languages keep: there is one a language.
const maxQuery = 1024

// For returns the frame of a page that answers a request, in its reader's language. Its title is the message of that key.
func For(r *http.Request, title string, args ...any) Frame {
	f := Frame{Query: r.URL.RawQuery}
	_, f.asked = i18n.Asked(r)
	return f.In(i18n.Of(r), title, args...)
}

// In returns the frame in another language, with another title.
func (f Frame) In(l *i18n.Language, title string, args ...any) Frame {
	f.Language, f.Title = l, l.Text(title, args...)
	return f
}

// Lang returns the page's language.
func (f Frame) Lang() *i18n.Language {
	if f.Language == nil {
		return i18n.English()
	}
	return f.Language
}

// T returns a message for the page.
func (f Frame) T(key string, args ...any) template.HTML { return f.Lang().HTML(key, args...) }

// Plain returns a message as plain text, for an attribute.
func (f Frame) Plain(key string, args ...any) string { return f.Lang().Text(key, args...) }

// Link returns the address of another of our pages, which is to be in the language that was asked for, too.
func (f Frame) Link(address string) string {
	if !f.asked {
		return address
	}
	return inLanguage(address, f.Lang())
}

// Link is [Frame.Link] for who answers a request without a page, but leads to one.
func Link(r *http.Request, address string) string {
	if l, ok := i18n.Asked(r); ok {
		return inLanguage(address, l)
	}
	return address
}

func inLanguage(address string, l *i18n.Language) string {
	address, fragment, found := strings.Cut(address, "#")
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	address += separator + "uselang=" + l.Code
	if found {
		address += "#" + fragment
	}
	return address
}

// Codes is a list of what machines read, such as web addresses.
func (f Frame) Codes(texts []string) template.HTML {
	parts := make([]string, len(texts))
	for i, text := range texts {
		parts[i] = "<code>" + template.HTMLEscapeString(text) + "</code>"
	}
	return template.HTML(strings.Join(parts, f.Plain("list-separator"))) //nolint:gosec // escaped
}

// List is a list in running text; see [i18n.List].
func (f Frame) List(items i18n.List) string { return items.In(f.Lang()) }

// Day is a day for a page: 2006-01-02, read alike everywhere and from left to right.
func (Frame) Day(t time.Time) template.HTML { return timeElement(t, time.DateOnly) }

// Moment is a time for a page, to the minute.
func (Frame) Moment(t time.Time) template.HTML { return timeElement(t, "2006-01-02 15:04 UTC") }

func timeElement(t time.Time, layout string) template.HTML {
	t = t.UTC()
	machine := t.Format(time.RFC3339)
	if layout == time.DateOnly {
		machine = t.Format(layout)
	}
	return template.HTML(`<time dir="ltr" datetime="` + machine + `">` + t.Format(layout) + `</time>`) //nolint:gosec // digits
}

// LanguageLink leads to the page in a language.
type LanguageLink struct {
	*i18n.Language
	Address string
	Current bool
}

// Languages returns links to the page in all languages, none where there is but one.
func (f Frame) Languages() (links []LanguageLink) {
	all := i18n.Languages()
	if len(all) == 1 {
		return nil
	}
	query, err := url.ParseQuery(f.Query)
	if err != nil || len(f.Query) > maxQuery {
		query = url.Values{}
	}
	for _, l := range all {
		query.Set("uselang", l.Code)
		links = append(links, LanguageLink{l, "?" + query.Encode(), l == f.Lang()})
	}
	return links
}
