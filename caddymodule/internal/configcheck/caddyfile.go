package configcheck

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// Masked warns of what in a site with client_mask undoes it or no longer works, with file and line. Networks is its option.
func Masked(h httpcaddyfile.Helper, site *Site, networks string) {
	order, _ := h.Option("order").([]string)
	if i := slices.Index(order, "client_mask"); i >= 0 {
		order = order[:i]
	} else {
		order = nil
	}
	l := looker{warn: func(w Warning) { Warn(h, w) }, xff: networks == "xff", before: order}
	l.unused = l.matchersBefore(site.Directives)
	for _, d := range site.Directives {
		if !slices.Contains(l.before, d.Name()) {
			l.directive(d)
		}
	}
	l.global(site.Global())
	l.otherSites(site)
}

// looker looks at a Caddyfile's statements.
type looker struct {
	warn   func(Warning)
	xff    bool
	before []string // the directives that run before client_mask
	unused []string // matchers that only those use
}

func (l looker) at(word caddyfile.Token, fault string) {
	if fault != "" {
		l.warn(Warning{word.File, word.Line, fault})
	}
}

// matchersBefore are the named matchers that are used before client_mask alone.
func (l looker) matchersBefore(directives []Statement) (names []string) {
	late := make(map[string]bool)
	for _, d := range directives {
		if strings.HasPrefix(d.Name(), "@") {
			continue
		}
		for _, word := range d.allWords() {
			if strings.HasPrefix(word.Text, "@") {
				early := slices.Contains(l.before, d.Name())
				late[word.Text] = late[word.Text] || !early
			}
		}
	}
	for name, used := range late {
		if !used {
			names = append(names, name)
		}
	}
	return names
}

func (s Statement) allWords() []caddyfile.Token {
	words := slices.Clone(s.Words)
	for _, inner := range s.Inner {
		words = append(words, inner.allWords()...)
	}
	return words
}

// directive looks at a directive, or an option of one, with what is in its block.
func (l looker) directive(s Statement) {
	switch name := s.Name(); {
	case strings.HasPrefix(name, "@"):
		if !slices.Contains(l.unused, name) {
			l.namedMatcher(s)
		}
		return
	case name == "request_header":
		l.headerOp(s.withoutMatcher(), name)
		return
	case name == "header_up":
		l.headerOp(s, name)
	case name == "copy_headers":
		l.copied(s)
		return
	case name == "env" && len(s.Words) == 3:
		l.at(s.Words[0], envFault(s.Words[1].Text, s.Words[2].Text, l.xff))
	case name == "vars":
		for _, set := range append([]Statement{{Words: s.withoutMatcher().Words[1:]}}, s.Inner...) {
			if len(set.Words) > 0 {
				l.at(set.Words[0], varFault(set.Name()))
			}
		}
		return
	case name == "map":
		if args := s.withoutMatcher().Args(); len(args) > 0 {
			l.at(s.Words[0], mapFault(args[0]))
		}
		return
	case name == "reverse_proxy" || name == "php_fastcgi":
		l.upstreams(s)
	default:
		l.at(s.Words[0], handlerFault(name))
	}
	for _, inner := range s.Inner {
		l.directive(inner)
	}
}

// upstreams looks at where a handler hands requests to.
func (l looker) upstreams(s Statement) {
	words := s.withoutMatcher().Words[1:]
	for _, inner := range s.Inner {
		if inner.Name() == "to" {
			words = append(words, inner.Words[1:]...)
		}
	}
	for _, word := range words {
		l.at(word, UpstreamFault(word.Text))
	}
}

// withoutMatcher takes the matcher from a directive's arguments.
func (s Statement) withoutMatcher() Statement {
	if len(s.Words) > 1 {
		if first := s.Words[1].Text; first == "*" || strings.HasPrefix(first, "/") || strings.HasPrefix(first, "@") {
			s.Words = append(s.Words[:1:1], s.Words[2:]...)
		}
	}
	return s
}

func (l looker) namedMatcher(s Statement) {
	if len(s.Words) > 1 {
		l.matcher(Statement{Words: s.Words[1:], Inner: s.Inner})
		return
	}
	for _, m := range s.Inner {
		l.matcher(m)
	}
}

func (l looker) matcher(s Statement) {
	name, args := s.Name(), s.Args()
	switch {
	case name == "not" && len(args) > 0:
		l.matcher(Statement{Words: s.Words[1:], Inner: s.Inner})
		return
	case name == "not":
		for _, inner := range s.Inner {
			l.matcher(inner)
		}
		return
	case s.Words[0].Quoted() && len(args) == 0: // an expression by itself
		name, args = "expression", []string{name}
	case name == "vars" || name == "vars_regexp" || name == "header" || name == "header_regexp":
		if name == "header_regexp" || name == "vars_regexp" { // a name for the matches may come first
			args = args[:max(0, len(args)-1)]
		} else {
			args = args[:min(1, len(args))]
		}
	}
	for _, inner := range s.Inner {
		if name == "expression" || name == "remote_ip" || name == "client_ip" {
			continue
		}
		args = append(args, inner.Name())
	}
	l.at(s.Words[0], matcherFault(name, args))
}

func (l looker) headerOp(s Statement, directive string) {
	args := s.Args()
	if len(args) == 0 {
		return
	}
	how, field := "set", args[0]
	switch {
	case strings.HasPrefix(field, "+"):
		how, field = "add", field[1:]
	case strings.HasPrefix(field, "-"):
		how, field = "delete", field[1:]
	case strings.HasPrefix(field, ">"):
		field = field[1:]
	case strings.HasPrefix(field, "?"):
		return // only where there is none
	}
	if len(args) > 2 {
		how = "replace"
	}
	at := s.Words[1]
	l.at(at, headerFault(directive, how, http.CanonicalHeaderKey(strings.TrimSuffix(field, ":")), args[1:], l.xff))
}

// copied looks at the headers that forward_auth takes from its response.
func (l looker) copied(s Statement) {
	words := s.Words[1:]
	for _, inner := range s.Inner {
		words = append(words, inner.Words...)
	}
	for _, word := range words {
		field := word.Text
		if _, to, renamed := strings.Cut(field, ">"); renamed {
			field = to
		}
		l.at(word, headerFault("copy_headers", "set", http.CanonicalHeaderKey(field), nil, l.xff))
	}
}
