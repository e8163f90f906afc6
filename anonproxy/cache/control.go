package cache

import (
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// control is a parsed Cache-Control of a response (RFC 9111 section 5.2.2, RFC
// 5861). The forms of private and no-cache that name fields are taken for the
// plain ones, as that section allows.
type control struct {
	noStore, noCache, private, public, mustUnderstand bool
	mustRevalidate                                    bool // or proxy-revalidate

	maxAge, sharedMaxAge, staleWhileRevalidate, staleIfError seconds
}

// seconds is a directive's argument.
type seconds struct {
	given bool
	bad   bool // malformed, or given twice with two values: as good as 0
	n     int64
}

// maxSeconds is the largest lifetime (RFC 9111 section 1.2.2).
const maxSeconds = 1<<31 - 1

func (s seconds) duration() time.Duration {
	if s.bad {
		return 0
	}
	return time.Duration(s.n) * time.Second
}

func (s *seconds) set(value string, has bool) {
	n, ok := parseSeconds(value)
	if !has || !ok || s.given && s.n != n {
		s.bad = true
	}
	s.given, s.n = true, n
}

// parseSeconds reads delta-seconds; what doesn't fit is the largest.
func parseSeconds(value string) (int64, bool) {
	if value == "" {
		return 0, false
	}
	n := int64(0)
	for i := range len(value) {
		if value[i] < '0' || value[i] > '9' {
			return 0, false
		}
		n = min(n*10+int64(value[i]-'0'), maxSeconds)
	}
	return n, true
}

// parseControl reads the fields. Those that can't be read are no-store.
func parseControl(fields []string) control {
	var c control
	for _, field := range fields {
		for rest := field; rest != ""; {
			name, value, has, more, ok := nextDirective(rest)
			if !ok {
				c.noStore = true
				break
			}
			c.put(strings.ToLower(name), value, has)
			rest = more
		}
	}
	return c
}

func (c *control) put(name, value string, has bool) {
	switch name {
	case "no-store":
		c.noStore = true
	case "no-cache":
		c.noCache = true
	case "private":
		c.private = true
	case "public":
		c.public = true
	case "must-understand":
		c.mustUnderstand = true
	case "must-revalidate", "proxy-revalidate":
		c.mustRevalidate = true
	case "max-age":
		c.maxAge.set(value, has)
	case "s-maxage":
		c.sharedMaxAge.set(value, has)
	case "stale-while-revalidate":
		c.staleWhileRevalidate.set(value, has)
	case "stale-if-error":
		c.staleIfError.set(value, has)
	}
}

// nextDirective reads one `name`, `name=token` or `name="quoted"` up to the
// comma after it. A comma inside of quotes ends nothing.
func nextDirective(s string) (name, value string, has bool, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t,")
	end := strings.IndexAny(s, "=,")
	if end < 0 {
		name = strings.TrimRight(s, " \t")
		return name, "", false, "", name == "" || httpguts.ValidHeaderFieldName(name)
	}
	name, rest = strings.TrimRight(s[:end], " \t"), s[end+1:]
	if s[end] == ',' {
		return name, "", false, rest, httpguts.ValidHeaderFieldName(name)
	}
	if !strings.HasPrefix(rest, `"`) {
		value, rest, _ = strings.Cut(rest, ",")
		return name, strings.TrimRight(value, " \t"), true, rest, httpguts.ValidHeaderFieldName(name)
	}
	value, rest, ok = unquote(rest)
	if !ok {
		return name, "", false, "", false
	}
	tail, rest, _ := strings.Cut(rest, ",")
	return name, value, true, rest, httpguts.ValidHeaderFieldName(name) && strings.Trim(tail, " \t") == ""
}

// unquote reads a quoted-string (RFC 9110 section 5.6.4).
func unquote(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
