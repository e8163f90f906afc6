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
	// Value points at the field.
	Value any
}

// Options are the options of a `tool` block besides its name and origin, each with its place in t.
func (t *Tool) Options() []Option {
	return []Option{
		{"title", &t.Title}, {"hosts", &t.Hosts}, {"kinds", &t.Kinds}, {"access", (*string)(&t.Access)}, {"executable", &t.Executable},
		{"integrity", &t.Integrity}, {"methods", &t.Methods}, {"streams", &t.Streams}, {"url", &t.URL}, {"author", &t.Author},
		{"purpose", &t.Purpose}, {"sends", &t.Sends}, {"personal", (*string)(&t.Personal)}, {"retention", &t.Retention},
		{"source", &t.Source}, {"privacy", &t.Privacy}, {"contact", &t.Contact}, {"reviewer", &t.Reviewer},
		{"reviewed", &t.Reviewed}, {"expires", &t.Expires}, {"disabled", &t.Disabled}, {"revision", &t.Revision},
		{"max_size", &t.MaxSize}, {"max_request_size", &t.MaxRequestSize}, {"timeout", &t.Timeout},
		{"client_limit", &t.ClientLimit}, {"limit", &t.Limit}, {"pseudonym", &t.Pseudonym}, {"names", (*string)(&t.Names)},
		{"refresh", &t.Refresh}, {"refresh_file", &t.RefreshFile}, {"refresh_every", &t.RefreshEvery}, {"mirror", &t.Mirror},
		{"allow_loopback", &t.AllowLoopback},
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
