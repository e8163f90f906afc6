package forecast

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// gadgetDefinition is a line of MediaWiki:Gadgets-definition:
//
//   - name[options]|page.js|page.css
type gadgetDefinition struct {
	name   string
	titles []string
}

const (
	definitionTitle = "MediaWiki:Gadgets-definition"
	gadgetPrefix    = "MediaWiki:Gadget-"
	maxTitle        = 255 // bytes, MediaWiki's own bound
)

var (
	htmlComment = regexp.MustCompile(`(?s)<!--.*?-->`)
	gadgetLine  = regexp.MustCompile(`^\*+ *([a-zA-Z](?:[-_:.\w ]*[a-zA-Z0-9])?)\s*(?:\[[^\]]*\])?\s*\|(.*)$`)
)

// parseDefinition reads the lines that MediaWiki would; others are headings or comments.
func parseDefinition(text string) []gadgetDefinition {
	var list []gadgetDefinition
	for line := range strings.Lines(htmlComment.ReplaceAllString(text, "")) {
		m := gadgetLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil {
			continue
		}
		d := gadgetDefinition{name: m[1]}
		for page := range strings.SplitSeq(m[2], "|") {
			if title := gadgetPrefix + strings.TrimSpace(page); isCodeTitle(title) {
				d.titles = append(d.titles, title)
			}
		}
		if d.titles != nil {
			list = append(list, d)
		}
	}
	return list
}

// isCodeTitle reports whether a page can have code, and its title can be asked for.
func isCodeTitle(title string) bool {
	dot := strings.LastIndexByte(title, '.')
	if dot < 0 || len(title) > maxTitle || !utf8.ValidString(title) || strings.ContainsAny(title, "#<>[]{}|") {
		return false
	}
	switch title[dot:] {
	case ".js", ".css", ".json", ".vue":
		return !strings.ContainsFunc(title, func(r rune) bool { return !unicode.IsPrint(r) })
	}
	return false
}
