package noticeboard

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of a declaration.
const (
	maxText    = 1000 // characters of a text that people read
	maxHosts   = 32
	maxSize    = 1 << 40        // bytes
	maxTimeout = 24 * time.Hour // of a whole request
)

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Error tells what is wrong with a declaration.
type Error struct {
	Tool   string // the declared name
	Field  string // the JSON name of the field that is wrong
	Reason string // what is wrong and what to do about it
}

func (e *Error) Error() string { return fmt.Sprintf("tool %q: %s", e.Tool, e.Reason) }

// Validate tells what is wrong with the declaration, if anything, by an [*Error].
func (t *Tool) Validate() error {
	_, err := t.normalised()
	return err
}

// normalised returns a checked copy in normal form.
func (t *Tool) normalised() (*Tool, error) {
	own := t.withDefaults()
	for _, check := range []func() *Error{own.checkName, own.checkHosts, own.checkUse, own.checkAccess, own.checkFrame, own.checkServing, own.checkRewrite, own.checkTexts, own.checkLinks, own.checkLimits} {
		if err := check(); err != nil {
			err.Tool = t.Name
			return nil, err
		}
	}
	return own, nil
}

// wrong makes the error of a field.
func wrong(field, format string, args ...any) *Error {
	return &Error{Field: field, Reason: fmt.Sprintf(format, args...)}
}

func (t *Tool) checkName() *Error {
	if !nameForm.MatchString(t.Name) {
		return wrong("name", "name must be 1 to 63 lower-case letters, digits and hyphens, a letter or digit first")
	}
	return nil
}

func (t *Tool) checkHosts() *Error {
	origin, err := normalOrigin(t.Origin, t.AllowLoopback)
	if err != nil {
		return wrong("origin", "origin %q %v", t.Origin, err)
	}
	t.Origin = origin
	if len(t.Hosts) > maxHosts {
		return wrong("hosts", "hosts are more than %d: declare tools of their own", maxHosts)
	}
	scheme, own, _ := strings.Cut(origin, "://")
	hosts := t.Hosts[:0]
	for _, host := range t.Hosts {
		normal, err := normalHost(host, scheme, t.AllowLoopback)
		if err != nil {
			return wrong("hosts", "host %q %v", host, err)
		}
		if normal != own && !slices.Contains(hosts, normal) {
			hosts = append(hosts, normal)
		}
	}
	t.Hosts = hosts
	return nil
}

func (t *Tool) checkUse() *Error {
	for _, kind := range t.Kinds {
		if kind.Directive() == "" { // scripts: checkAccess
			return wrong("kinds", "kind %q is unknown: use some of %q", kind, append(Kinds(), Script, Frame))
		}
	}
	slices.Sort(t.Kinds)
	t.Kinds = slices.Compact(t.Kinds)
	return nil
}

func (t *Tool) checkTexts() *Error {
	for _, text := range []struct{ field, value string }{
		{"title", t.Title}, {"purpose", t.Purpose}, {"sends", t.Sends}, {"retention", t.Retention}, {"contact", t.Contact},
		{"author", t.Author}, {"reviewer", t.Reviewer},
	} {
		switch {
		case !utf8.ValidString(text.value) || strings.ContainsFunc(text.value, unprintable):
			return wrong(text.field, "%s holds control characters or broken UTF-8: remove them", text.field)
		case utf8.RuneCountInString(text.value) > maxText:
			return wrong(text.field, "%s is longer than %d characters: shorten it", text.field, maxText)
		}
	}
	return nil
}

func (t *Tool) checkLinks() *Error {
	for _, link := range []struct{ field, value string }{{"source", t.Source}, {"privacy", t.Privacy}, {"url", t.URL}} {
		if link.value != "" && !isWebAddress(link.value) {
			return wrong(link.field, "%s %q isn't a web address: start it with https://", link.field, link.value)
		}
	}
	return nil
}

func (t *Tool) checkLimits() *Error {
	if t.MaxSize < 0 || t.MaxSize > maxSize {
		return wrong("max_size", "max_size must be from 1 to %d bytes, or 0 for the proxy's default", int64(maxSize))
	}
	if t.Timeout < 0 || time.Duration(t.Timeout) > maxTimeout {
		return wrong("timeout", "timeout must be at most %s, or 0 for the proxy's default", maxTimeout)
	}
	if t.Revision > maxRevision {
		return wrong("revision", "revision must be at most %d", uint64(maxRevision))
	}
	return nil
}

// unprintable finds control characters, and those that turn the direction of
// the text around them: with these, a page or a terminal shows what isn't there.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069
}

// isWebAddress reports whether s can stand in a link on the noticeboard.
func isWebAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && len(s) <= maxText &&
		utf8.ValidString(s) && !strings.ContainsFunc(s, unprintable)
}
