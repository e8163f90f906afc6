package forecast

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// Drafts returns all drafts, in the order of the tools.
func (f *Forecast) Drafts() []*Draft {
	var drafts []*Draft
	for i := range f.Tools {
		drafts = append(drafts, f.Tools[i].Drafts...)
	}
	return drafts
}

// entry is a draft as an entry of toolinfo.json; see [noticeboard].
type entry struct {
	Name        string            `json:"name"`
	Title       string            `json:"title"`
	Description string            `json:"description"`
	URL         string            `json:"url"`
	Wikiveil    *noticeboard.Tool `json:"wikiveil"`
	Review      review            `json:"_review"`
}

// review stands outside of what a noticeboard reads.
type review struct {
	FillIn []string `json:"fill_in"`
	Basis  []string `json:"basis"`
}

// File returns drafts as a noticeboard's file. What a person has to fill in begins with
// [FillIn], or is named in the entry's member "_review".
func File(drafts []*Draft) ([]byte, error) {
	entries := make([]entry, 0, len(drafts))
	for _, d := range drafts {
		tool := *d.Tool
		e := entry{
			Name: tool.Name, Title: tool.Title, Description: tool.Purpose, URL: tool.URL, Wikiveil: &tool,
			Review: review{FillIn: d.Fill, Basis: d.Basis},
		}
		if e.URL == "" {
			e.URL = tool.Origin + "/"
		}
		tool.Title, tool.Purpose, tool.URL = "", "", "" // they are read from the entry
		entries = append(entries, e)
	}
	data, err := json.MarshalIndent(entries, "", "\t")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// Caddyfile returns drafts as `tool` blocks for the global option `wikiveil`. What a
// person has to fill in is marked with [FillIn].
func Caddyfile(drafts []*Draft) string {
	var b strings.Builder
	for i, d := range drafts {
		if i > 0 {
			b.WriteByte('\n')
		}
		for _, line := range d.Basis {
			fmt.Fprintf(&b, "# %s\n", comment(line))
		}
		if d.Amends {
			fmt.Fprintf(&b, "# In place of the declaration of %s that is there:\n", d.Tool.Name)
		}
		d.writeBlock(&b)
	}
	return b.String()
}

// hints say what to fill in where there is no text yet.
var hints = map[string]string{
	"personal": "none|some", "source": "<address of the source code>", "privacy": "<address of the privacy policy>",
	"reviewer": "<your name>", "reviewed": "<today's date, such as 2026-07-01>", "executable": "", "integrity": "sha384-<hash of the script>",
}

func (d *Draft) writeBlock(b *strings.Builder) {
	var fill []string
	for _, name := range d.Fill {
		if hint, ok := hints[name]; ok {
			fill = append(fill, FillIn+strings.TrimSpace(name+" "+hint))
		}
	}
	_ = d.Tool.WriteCaddyfile(b, fill...) // a builder takes all
}

// texts are the words of a list.
func texts[T ~string](list []T) (words []string) {
	for _, word := range list {
		words = append(words, string(word))
	}
	return words
}

// comment is a text that can stand in a comment: a Caddyfile replaces {$…} there too.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '{' || r == '}' {
			return -1
		}
		return r
	}, noticeboard.OneLine(text))
}
