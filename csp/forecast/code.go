package forecast

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
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

// mentioning returns the pages of code that name an origin's host. Addresses that are put
// together from parts are not found.
func mentioning(code []Code, origin string) []Code {
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
	return mentioning(ix[u.Hostname()], origin)
}

const (
	// before and after are what may stand around a host for it to be this one and not
	// a part of another.
	before = `(?:^|[^a-z0-9.\-_])`
	after  = `(?:$|[^a-z0-9.:\-_]|[.:\-](?:$|[^a-z0-9]))`
	// pathChars are those of paths and queries that a shell leaves alone in single quotes.
	pathChars = `/[a-z0-9/._~:@!,+=?&%*;\-]*`
)

// hostPattern finds an origin's host with its port, with or without a scheme; nil if
// it is no origin. Any scheme's default port may be left out.
func hostPattern(origin string) *regexp.Regexp {
	if authority := authorityPattern(origin); authority != "" {
		return regexp.MustCompile(`(?i)` + before + authority + after)
	}
	return nil
}

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

// sheets returns the paths of an origin's style sheets that code names, by their ending or
// for want of one.
func sheets(code []Code, origin string) (paths []string) {
	authority := authorityPattern(origin)
	if authority == "" {
		return nil
	}
	address := regexp.MustCompile(`(?i)` + before + authority + `(` + pathChars + `)`)
	for _, c := range code {
		for _, found := range address.FindAllStringSubmatch(c.Text, -1) {
			name, _, _ := strings.Cut(found[1], "?")
			if end := path.Ext(name); (end == "" || end == ".css") && name != "/" && !slices.Contains(paths, found[1]) {
				paths = append(paths, found[1])
			}
		}
	}
	return paths[:min(len(paths), maxSheets)]
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
