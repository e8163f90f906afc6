package i18n

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/text/language"
)

// English is the language of logs, and of whatever has no message in another.
func English() *Language { return all()[0] }

// Languages returns all of them, English first.
func Languages() []*Language { return all() }

// Find returns the language that has a code, in any case of letters.
func Find(code string) (*Language, bool) {
	for _, l := range all() {
		if strings.EqualFold(l.Code, code) {
			return l, true
		}
	}
	return nil, false
}

// Parse returns the language of an option, English where it is empty.
func Parse(code string) (*Language, error) {
	if code == "" {
		return English(), nil
	}
	if l, ok := Find(code); ok {
		return l, nil
	}
	var known []string
	for _, l := range all() {
		known = append(known, l.Code)
	}
	return nil, fmt.Errorf("language %q is not one that there are messages in: %s", code, strings.Join(known, ", "))
}

type siteKey struct{}

// WithSite returns a context in which a site has a language for readers who don't say theirs.
func WithSite(ctx context.Context, l *Language) context.Context {
	return context.WithValue(ctx, siteKey{}, l)
}

// The longest header that is read: no browser sends more, and parsing takes time.
const maxAcceptLanguage = 1024 // bytes

// Of returns the language to answer a request in: the one that uselang names in the query, as in MediaWiki, else the best of Accept-Language, else the
// site's, else English.
func Of(r *http.Request) *Language {
	if l, ok := Asked(r); ok {
		return l
	}
	if accept := r.Header.Get("Accept-Language"); accept != "" && len(accept) <= maxAcceptLanguage {
		if l, ok := match(accept); ok {
			return l
		}
	}
	if l, ok := r.Context().Value(siteKey{}).(*Language); ok {
		return l
	}
	return English()
}

type unaskedKey struct{}

// Unasked returns a context for requests whose query doesn't choose the language: another than the reader may have written it.
func Unasked(ctx context.Context) context.Context {
	return context.WithValue(ctx, unaskedKey{}, true)
}

// Asked returns the language that a request's query names. Links on its page keep it.
func Asked(r *http.Request) (*Language, bool) {
	if !strings.Contains(r.URL.RawQuery, "uselang=") || r.Context().Value(unaskedKey{}) != nil {
		return nil, false
	}
	return Find(r.URL.Query().Get("uselang"))
}

var matcher = sync.OnceValue(func() language.Matcher {
	var tags []language.Tag
	for _, l := range all() {
		tags = append(tags, l.tag)
	}
	return language.NewMatcher(tags)
})

// match finds the language that fits a header best (RFC 9110, section 12.5.4). What nobody here speaks, and a mere *, fit none; but a
// language in another script or of another country does.
func match(accept string) (*Language, bool) {
	wanted, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return nil, false
	}
	for _, tag := range wanted {
		_, at, _ := matcher().Match(tag)
		l := all()[at]
		base, _ := tag.Base()
		if own, _ := l.tag.Base(); own == base {
			return l, true
		}
	}
	return nil, false
}
