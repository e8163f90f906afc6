package noticeboard

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Option is a part of a declaration as a Caddyfile's `tool` block has it.
type Option struct {
	// Name is the option's, and its field's in JSON.
	Name string
	// Args are its arguments, as the documentation shows them.
	Args string
	// Value points at the field.
	Value any
	// Doc says what it is.
	Doc string
}

// Options are the options of a `tool` block besides its name and origin, each with its place in t.
func (t *Tool) Options() []Option {
	return []Option{
		{"title", "<text>", &t.Title, "What readers call it."},
		{"hosts", "<host>...", &t.Hosts, "Further hosts of the tool."},
		{"kinds", "img|font|style|media|data|script|frame...", &t.Kinds, "What browsers load from it."},
		{"access", "proxy|consent|both", (*string)(&t.Access), "How readers reach it. Default: `proxy`."},
		{"executable", "", &t.Executable, "Its scripts may run on the wiki's origin."},
		{"integrity", "<hash>...", &t.Integrity, "The scripts that may."},
		{"sandbox", "<token>...", &t.Sandbox, "What its pages in frames may do, such as `allow-scripts`."},
		{"allow", "<feature>...", &t.Allow, "The features that they may use, such as `fullscreen`."},
		{"methods", "GET|HEAD|POST...", &t.Methods, "How it may be asked. Default: GET and HEAD."},
		{"streams", "events|websocket...", &t.Streams, "Streams that it has."},
		{"url", "<url>", &t.URL, "Its home page."},
		{"author", "<text>", &t.Author, "Who made it."},
		{"purpose", "<text>", &t.Purpose, "What it is for."},
		{"sends", "<text>", &t.Sends, "What is sent to it."},
		{"personal", "none|some", (*string)(&t.Personal), "Whether that is about persons."},
		{"retention", "<text>", &t.Retention, "How long it keeps what."},
		{"source", "<url>", &t.Source, "Its source code."},
		{"privacy", "<url>", &t.Privacy, "Its privacy policy."},
		{"contact", "<text>", &t.Contact, "Its owner."},
		{"reviewer", "<text>", &t.Reviewer, "Who has reviewed it."},
		{"reviewed", "<date>", &t.Reviewed, "When."},
		{"expires", "<date or time>", &t.Expires, "When it's out of reach unless it's reviewed anew."},
		{"disabled", "", &t.Disabled, "It is out of reach."},
		{"revision", "<number>", &t.Revision, "Counted by itself. Readers who have consented are asked again if you change one given here."},
		{"max_size", "<size>", &t.MaxSize, "The largest answer."},
		{"max_request_size", "<size>", &t.MaxRequestSize, "The largest body of a POST."},
		{"timeout", "<duration>", &t.Timeout, "How long a whole request may take."},
		{"client_limit", "<number>/<duration>", &t.ClientLimit, "How often one client may ask."},
		{"limit", "<number>/<duration>", &t.Limit, "How often all clients together may."},
		{"pseudonym", "", &t.Pseudonym, "It gets a pseudonym of the reader, of its own."},
		{"names", "reader", (*string)(&t.Names), "Readers are told that it gets their name once they consent. The proxy's leak guard still stops the name."},
		{"refresh", "<path>...", &t.Refresh, "What the edge fetches whether or not a reader asks."},
		{"refresh_file", "<path of a file>", &t.RefreshFile, "A list of such paths."},
		{"refresh_every", "<duration>", &t.RefreshEvery, "How often."},
		{"mirror", "<path or URL> <hash>", &t.Mirror, "A file that the edge keeps and serves itself."},
		{"rewrite", "", &t.Rewrite, "Gadgets that name its own address are led to the proxy."},
		{"allow_loopback", "", &t.AllowLoopback, "It may be on this machine, for tests."},
	}
}

// WriteCaddyfile writes the declaration as a `tool` block, with comments at its end. A revision
// is left out: a live board counts.
func (t *Tool) WriteCaddyfile(w io.Writer, comments ...string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "tool %s %s {\n", t.Name, t.Origin)
	for _, o := range t.Options() {
		for _, args := range o.lines() {
			b.WriteString("\t" + o.Name)
			for _, arg := range args {
				b.WriteString(" " + token(arg))
			}
			b.WriteByte('\n')
		}
	}
	for _, comment := range comments {
		b.WriteString("\t# " + comment + "\n")
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// lines are the arguments of an option, each time that it is written; none for an empty one.
func (o Option) lines() (lines [][]string) {
	one := func(given bool, args ...string) [][]string {
		if !given {
			return nil
		}
		return [][]string{args}
	}
	switch v := o.Value.(type) {
	case *string:
		return one(*v != "", *v)
	case *bool:
		return one(*v)
	case *[]string:
		return one(len(*v) > 0, *v...)
	case *[]Kind:
		return one(len(*v) > 0, texts(*v)...)
	case *[]Stream:
		return one(len(*v) > 0, texts(*v)...)
	case *Date:
		return one(!v.IsZero(), v.String())
	case *int64:
		return one(*v != 0, strconv.FormatInt(*v, 10))
	case *Duration:
		return one(*v != 0, time.Duration(*v).String())
	case *Rate:
		return one(v.Count != 0, v.String())
	case *[]MirrorFile:
		for _, file := range *v {
			lines = append(lines, []string{file.Path, file.Integrity})
		}
	}
	return lines
}

func texts[T ~string](list []T) (words []string) {
	for _, word := range list {
		words = append(words, string(word))
	}
	return words
}

// token is a text as one of a Caddyfile's tokens. Between quotes a Caddyfile knows of \" alone, so no backslash can
// stand before one; between backticks of nothing; and it replaces {$…} everywhere.
func token(text string) string {
	text = strings.ReplaceAll(OneLine(text), "{$", "{ $")
	switch {
	case text != "" && !strings.ContainsAny(text, " \"`{}\\#<"):
		return text
	case !strings.ContainsAny(text, "\"\\{}"):
		return `"` + text + `"`
	case strings.Contains(text, "`") && !strings.Contains(text, `\`):
		return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"`
	}
	return "`" + strings.ReplaceAll(text, "`", "'") + "`"
}

// OneLine has blanks in place of what doesn't show.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && r != '\u200d' && r != '\u200c' {
			return ' '
		}
		return r
	}, text)
}
