package reports

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wikiveil/wikiveil/internal/text"
)

const (
	gadgetPrefix = "ext.gadget."
	// manyGadgets stands for more gadgets in one response than a name can list.
	manyGadgets = gadgetPrefix + "*"
)

// source returns a report's Gadget, or its Page where no code is known: the script
// stands in the page itself, or the browser does not say.
func source(file string, page location) (gadget, pagePath string) {
	u, ok := parseURL(file)
	if !ok {
		return "", cleanPath(page.path)
	}
	own := u.origin == page.origin
	if name := gadgetName(u); name != "" {
		if !own {
			name = u.origin + " " + name
		}
		return text.Cut(name, maxText), ""
	}
	switch {
	case !own:
		return text.Cut(u.origin+cleanPath(u.path), maxText), ""
	case u.path == page.path:
		return "", cleanPath(page.path)
	}
	return cleanPath(u.path), ""
}

// gadgetName finds a wiki's page of code or ResourceLoader's modules in a script's
// URL: the only parts of a query that say nothing of the reader.
func gadgetName(u location) string {
	if path.Base(u.path) == "load.php" {
		return modules(queryValue(u.query, "modules"))
	}
	if title := codeTitle(queryValue(u.query, "title")); title != "" {
		return title
	}
	// /wiki/User:Name/tool.js: the title starts at the element with the namespace.
	for rest := u.path; rest != ""; {
		element, after, _ := strings.Cut(rest, "/")
		if strings.Contains(element, ":") {
			return codeTitle(rest)
		}
		rest = after
	}
	return ""
}

// queryValue takes the last value, as PHP does.
func queryValue(query, name string) string {
	if !strings.Contains(query, name) {
		return ""
	}
	values, _ := url.ParseQuery(query) // what it could read
	if all := values[name]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// modules returns the gadgets among ResourceLoader's packed list: "a.b,c|d" is
// a.b, a.c and d.
func modules(packed string) string {
	var gadgets []string
	var other string
	for group := range strings.SplitSeq(packed, "|") {
		prefix := ""
		for i, name := range strings.Split(group, ",") {
			if dot := strings.LastIndexByte(name, '.'); i == 0 && dot >= 0 {
				prefix, name = name[:dot+1], name[dot+1:]
			}
			switch name = prefix + name; {
			case strings.HasPrefix(name, gadgetPrefix) && len(name) > len(gadgetPrefix) && printable(name):
				gadgets = append(gadgets, name)
			case name == "user" || name == "site":
				other = name
			}
		}
	}
	slices.Sort(gadgets)
	gadgets = slices.Compact(gadgets)
	if len(gadgets) == 0 {
		return other
	}
	if all := strings.Join(gadgets, "|"); len(all) <= maxText {
		return all
	}
	return manyGadgets
}

// personal are the pages of code that nobody but their owner loads.
var personal = []string{"common", "global", "vector", "vector-2022", "minerva", "monobook", "timeless", "modern", "cologneblue"}

// codeTitle returns the title of a wiki's page of code in one spelling, and "" for
// any other title.
func codeTitle(title string) string {
	title = strings.TrimLeft(strings.ReplaceAll(title, " ", "_"), ":_")
	namespace, name, found := strings.Cut(title, ":")
	extension := path.Ext(name)
	if !found || namespace == "" || extension != ".js" && extension != ".css" || !printable(title) {
		return ""
	}
	name = upperFirst(strings.TrimLeft(name, "_"))
	if owner, sub, found := strings.Cut(name, "/"); found && owner != "" &&
		slices.Contains(personal, strings.TrimSuffix(sub, extension)) {
		name = "*/" + sub // its name would say who the reader is
	}
	return redact(upperFirst(namespace) + ":" + name)
}

func upperFirst(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[size:]
}
