package i18n

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// text is a message, parsed.
type text []part

// part is one of: words; the parameter arg; the forms of a plural of the parameter arg; a link to it. Parameters count from 1.
type part struct {
	kind  kind
	words string
	arg   int
	inner text         // of a link
	exact map[int]text // of a plural
	forms []text
}

type kind int

const (
	words kind = iota
	argument
	plural
	link
)

var (
	begin      = regexp.MustCompile(`\$([1-9])|\{\{PLURAL:\$([1-9])\||\[\$([1-9]) `)
	exactForm  = regexp.MustCompile(`^([0-9]{1,9})=`)
	errPlural  = errors.New("a {{PLURAL: does not end with }}")
	errLink    = errors.New("a link does not end with ]")
	errNesting = errors.New("{{ stands where no PLURAL begins")
)

// parse reads a message.
func parse(s string) (text, error) {
	var t text
	for s != "" {
		at := begin.FindStringSubmatchIndex(s)
		if at == nil {
			at = []int{len(s), len(s)}
		}
		if at[0] > 0 {
			if strings.Contains(s[:at[0]], "{{") {
				return nil, errNesting
			}
			t = append(t, part{kind: words, words: s[:at[0]]})
		}
		rest := s[at[1]:]
		var err error
		switch {
		case len(at) == 2:
			return t, nil
		case at[2] >= 0:
			t = append(t, part{kind: argument, arg: int(s[at[2]] - '0')})
		case at[4] >= 0:
			p := part{kind: plural, arg: int(s[at[4]] - '0')}
			rest, err = p.parseForms(rest)
			t = append(t, p)
		default:
			p := part{kind: link, arg: int(s[at[6]] - '0')}
			inner, after, ok := strings.Cut(rest, "]")
			if !ok {
				return nil, errLink
			}
			p.inner, err = parse(inner)
			t, rest = append(t, p), after
		}
		if err != nil {
			return nil, err
		}
		s = rest
	}
	return t, nil
}

// parseForms reads the forms of a plural and returns what follows it. Forms hold parameters and no plurals.
func (p *part) parseForms(s string) (rest string, err error) {
	forms, rest, ok := strings.Cut(s, "}}")
	if !ok {
		return "", errPlural
	}
	for form := range strings.SplitSeq(forms, "|") {
		exact := exactForm.FindStringSubmatch(form)
		if exact != nil {
			form = form[len(exact[0]):]
		}
		t, err := parse(form)
		if err != nil {
			return "", err
		}
		if exact == nil {
			p.forms = append(p.forms, t)
			continue
		}
		n, err := strconv.Atoi(exact[1])
		if err != nil {
			return "", fmt.Errorf("%w", err)
		}
		if p.exact == nil {
			p.exact = map[int]text{}
		}
		p.exact[n] = t
	}
	if len(p.forms) == 0 {
		return "", errors.New("a {{PLURAL: has no forms")
	}
	return rest, nil
}

// String returns the message where it has no parameters.
func (t text) String() string {
	var b strings.Builder
	for _, p := range t {
		b.WriteString(p.words)
	}
	return b.String()
}

// parameters returns which parameters stand in the message, as bits.
func (t text) parameters() (bits int) {
	for _, p := range t {
		if p.kind != words {
			bits |= 1 << p.arg
		}
		bits |= p.inner.parameters()
		for _, f := range p.forms {
			bits |= f.parameters()
		}
	}
	return bits
}

func (t text) write(b *strings.Builder, l *Language, out output, args []any) {
	for _, p := range t {
		if p.kind == words {
			out.words(b, p.words)
			continue
		}
		if p.arg > len(args) {
			panic(fmt.Sprintf("i18n: parameter %d of a message is missing", p.arg))
		}
		switch arg := args[p.arg-1]; p.kind {
		case argument:
			out.argument(b, l, arg)
		case plural:
			p.form(l, arg).write(b, l, out, args)
		case link:
			out.link(b, arg, func() { p.inner.write(b, l, out, args) })
		}
	}
}
