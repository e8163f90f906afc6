package forecast

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

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
	t := d.Tool
	fmt.Fprintf(b, "tool %s %s {\n", t.Name, t.Origin)
	option := func(name string, values ...string) {
		if len(values) > 0 && values[0] != "" {
			fmt.Fprintf(b, "\t%s %s\n", name, strings.Join(values, " "))
		}
	}
	text := func(name, value string) {
		if value != "" {
			option(name, quoted(value))
		}
	}
	flag := func(name string, on bool) {
		if on {
			fmt.Fprintf(b, "\t%s\n", name)
		}
	}
	text("title", t.Title)
	option("hosts", t.Hosts...)
	option("kinds", texts(t.Kinds)...)
	option("access", string(t.Access))
	flag("executable", t.Executable)
	option("integrity", t.Integrity...)
	option("methods", t.Methods...)
	text("url", t.URL)
	text("author", t.Author)
	text("purpose", t.Purpose)
	text("sends", t.Sends)
	option("personal", string(t.Personal))
	text("retention", t.Retention)
	text("source", t.Source)
	text("privacy", t.Privacy)
	text("contact", t.Contact)
	text("reviewer", t.Reviewer)
	option("reviewed", t.Reviewed.String())
	option("expires", t.Expires.String())
	flag("disabled", t.Disabled)
	option("streams", texts(t.Streams)...)
	for _, size := range []struct {
		name  string
		value int64
	}{{"max_size", t.MaxSize}, {"max_request_size", t.MaxRequestSize}} {
		if size.value > 0 {
			option(size.name, fmt.Sprint(size.value))
		}
	}
	for _, span := range []struct {
		name  string
		value noticeboard.Duration
	}{{"timeout", t.Timeout}, {"refresh_every", t.RefreshEvery}} {
		if span.value > 0 {
			option(span.name, time.Duration(span.value).String())
		}
	}
	for _, rate := range []struct {
		name  string
		value noticeboard.Rate
	}{{"client_limit", t.ClientLimit}, {"limit", t.Limit}} {
		if rate.value.Count > 0 {
			option(rate.name, rate.value.String())
		}
	}
	for _, path := range t.Refresh {
		text("refresh", path)
	}
	text("refresh_file", t.RefreshFile)
	flag("pseudonym", t.Pseudonym)
	for _, file := range t.Mirror {
		option("mirror", quoted(file.Path), file.Integrity)
	}
	flag("allow_loopback", t.AllowLoopback)
	for _, name := range d.Fill {
		if hint, ok := hints[name]; ok {
			fmt.Fprintf(b, "\t# %s%s\n", FillIn, strings.TrimSpace(name+" "+hint))
		}
	}
	b.WriteString("}\n")
}

// texts are the words of a list.
func texts[T ~string](list []T) (words []string) {
	for _, word := range list {
		words = append(words, string(word))
	}
	return words
}

// quoted is a text as a Caddyfile's token. Between quotes a Caddyfile knows of \" alone,
// so no backslash can stand before one; and it replaces {$…} everywhere.
func quoted(text string) string {
	text = strings.ReplaceAll(oneLine(text), "{$", "{ $")
	if !strings.Contains(text, `\`) {
		return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"`
	}
	return "`" + strings.ReplaceAll(text, "`", "'") + "`"
}

// comment is a text that can stand in a comment: a Caddyfile replaces {$…} there too.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '{' || r == '}' {
			return -1
		}
		return r
	}, oneLine(text))
}

func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) && !slices.Contains([]rune{'\u200d', '\u200c'}, r) {
			return ' '
		}
		return r
	}, text)
}
