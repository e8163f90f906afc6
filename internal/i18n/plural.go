package i18n

import (
	"fmt"
	"slices"
	"strconv"

	cldr "golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

type form = cldr.Form

// order is that of forms in a message.
var order = []form{cldr.Zero, cldr.One, cldr.Two, cldr.Few, cldr.Many, cldr.Other}

// category returns the plural category of a whole number (UTS #35, "Language Plural Rules").
func category(tag language.Tag, n int) form {
	return cldr.Cardinal.MatchPlural(tag, n, 0, 0, 0, 0)
}

// categories returns those that whole numbers have in a language, in the order of forms. All of them are met below a thousand; what is only met far above
// ("de millions") has the last form, as in translatewiki's files.
func categories(tag language.Tag) []form {
	var met []form
	for n := range 1000 {
		if c := category(tag, n); !slices.Contains(met, c) {
			met = append(met, c)
		}
	}
	return slices.DeleteFunc(slices.Clone(order), func(f form) bool { return !slices.Contains(met, f) })
}

// form chooses the form of a plural for a number.
func (p part) form(l *Language, arg any) text {
	n, err := strconv.Atoi(fmt.Sprint(arg))
	if err != nil {
		panic(fmt.Sprintf("i18n: a plural of %T", arg))
	}
	if t, ok := p.exact[n]; ok {
		return t
	}
	at := slices.Index(l.plurals, category(l.tag, n))
	if at < 0 || at >= len(p.forms) {
		at = len(p.forms) - 1
	}
	return p.forms[at]
}
