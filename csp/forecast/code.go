package forecast

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// Code is a page of code of the wiki.
type Code struct {
	// Gadget is whose code it is; "site" is the wiki's own that all readers load.
	Gadget string
	// Title is the page's, such as "MediaWiki:Gadget-maps.js".
	Title string
	Text  string
}

// Evidence is how a gadget is known.
type Evidence string

// Evidence, the best first.
const (
	// FromReports: browsers named it.
	FromReports Evidence = "reports"
	// FromCode: its code names the origin.
	FromCode Evidence = "code"
)

// Mentioning returns the pages of code that name an origin's host. Addresses that are put
// together from parts are not found.
func Mentioning(code []Code, origin string) []Code {
	mention := hostPattern(origin)
	if mention == nil {
		return nil
	}
	var found []Code
	for _, c := range code {
		if mention.MatchString(c.Text) {
			found = append(found, c)
		}
	}
	return found
}

// index finds the pages of code that may name a host, so that thousands of reported
// hosts don't cost a search of all code each.
type index map[string][]Code

func newIndex(code []Code) index {
	ix := make(index)
	for _, c := range code {
		for word := range strings.FieldsFuncSeq(strings.ToLower(c.Text), func(r rune) bool { return !isHostRune(r) }) {
			word = strings.TrimRight(word, ".-")
			if pages := ix[word]; strings.Contains(word, ".") && (len(pages) == 0 || pages[len(pages)-1] != c) {
				ix[word] = append(pages, c)
			}
		}
	}
	return ix
}

func isHostRune(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '.' || r == '-' || r == '_'
}

// mentioning is the function of that name, for hosts with a dot.
func (ix index) mentioning(origin string) []Code {
	u, err := url.Parse(origin)
	if err != nil {
		return nil
	}
	return Mentioning(ix[u.Hostname()], origin)
}

const (
	// before and after are what may stand around a host for it to be this one and not
	// a part of another.
	before = `(?:^|[^a-z0-9.\-_])`
	after  = `(?:$|[^a-z0-9.:\-_]|[.:\-](?:$|[^a-z0-9]))`
)

// hostPattern finds an origin's host with its port, with or without a scheme; nil if
// it is no origin.
func hostPattern(origin string) *regexp.Regexp {
	authority := authorityPattern(origin)
	if authority == "" {
		return nil
	}
	return regexp.MustCompile(`(?i)` + before + authority + after)
}

// addressPattern finds what can be replaced: the host with a scheme or two slashes,
// as group 2; groups 1 and 3 are what stands around it.
func addressPattern(origin string) *regexp.Regexp {
	authority := authorityPattern(origin)
	if authority == "" {
		return nil
	}
	return regexp.MustCompile(`(?i)(^|[^a-z0-9.\-_:/])((?:https?:)?//` + authority + `)` + `(` + after + `)`)
}

// authorityPattern finds host and port. Any scheme's default port may be left out.
func authorityPattern(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	host := regexp.QuoteMeta(strings.TrimSuffix(u.Host, ":"+u.Port()))
	switch port := u.Port(); port {
	case "", "80", "443":
		return host + `(?::(?:443|80))?`
	default:
		return host + ":" + port
	}
}

// Rewrite is how code has to change to reach a tool by the proxy.
type Rewrite struct {
	// Origin is what to replace, with any of http: and https: or none before it.
	Origin string `json:"origin"`
	// Path is what to put there.
	Path string `json:"path"`
	// Pages are the pages of code to change, where they are known.
	Pages []Places `json:"pages,omitempty"`
}

// Places are how often a page of code has an address.
type Places struct {
	Title string `json:"title"`
	// Replaced is in how many places [Rewrite.Apply] changes it; Left is how often the
	// host stands there otherwise, for a person to change.
	Replaced int `json:"replaced"`
	Left     int `json:"left,omitempty"`
}

// String says it for people.
func (p Places) String() string {
	switch {
	case p.Left == 0:
		return fmt.Sprintf("%s (%d×)", p.Title, p.Replaced)
	case p.Replaced == 0:
		return fmt.Sprintf("%s (%d× by hand)", p.Title, p.Left)
	}
	return fmt.Sprintf("%s (%d×, and %d× by hand)", p.Title, p.Replaced, p.Left)
}

// Apply returns code that asks the proxy. It counts what it replaced, and the places
// where the host is left.
func (r Rewrite) Apply(text string) (changed string, replaced, left int) {
	address := addressPattern(r.Origin)
	if address == nil {
		return text, 0, 0
	}
	put := "${1}" + strings.ReplaceAll(r.Path, "$", "$$") + "${3}"
	// A character between two addresses belongs to one match only, hence another round.
	for n := len(address.FindAllStringIndex(text, -1)); n > 0; n = len(address.FindAllStringIndex(text, -1)) {
		replaced += n
		text = address.ReplaceAllString(text, put)
	}
	return text, replaced, len(hostPattern(r.Origin).FindAllStringIndex(text, -1))
}

// places lists the pages to change.
func (r *Rewrite) places(code []Code) {
	for _, c := range code {
		_, replaced, left := r.Apply(c.Text)
		r.Pages = append(r.Pages, Places{c.Title, replaced, left})
	}
}

// Rewritten returns the pages of code that ask for what can be had by the proxy, as they are
// to be. An origin of which something is asked that the proxy has not, such as
// scripts, is left: a person has to say which address is for what.
func (f *Forecast) Rewritten(code []Code) []Code {
	var changed []Code
	done := make(map[string]bool)
	for _, c := range code {
		was := c.Text
		for i := range f.Tools {
			if t := &f.Tools[i]; t.Rewrite != nil && t.proxyHasAll() {
				c.Text, _, _ = t.Rewrite.Apply(c.Text)
			}
		}
		if c.Text != was && !done[c.Title] {
			done[c.Title] = true
			changed = append(changed, c)
		}
	}
	return changed
}

// proxyHasAll tells whether the proxy serves whatever is asked for.
func (t *Tool) proxyHasAll() bool {
	return !slices.ContainsFunc(t.Uses, func(u Use) bool { return u.Kind == "" || u.Kind == noticeboard.Script })
}

// gadgetName is the name of the gadget that a report's source is, or the source.
func gadgetName(code []Code, source string) string {
	if name, ok := strings.CutPrefix(source, "ext.gadget."); ok && name != "*" {
		return name
	}
	if i := slices.IndexFunc(code, func(c Code) bool { return c.Title == source || spaced(c.Title) == spaced(source) }); i >= 0 {
		return code[i].Gadget
	}
	return source
}

func spaced(title string) string { return strings.ReplaceAll(title, "_", " ") }
