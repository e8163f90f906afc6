package options

import (
	"encoding"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// None reads that there is no argument.
func None(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

// Flag sets what an option without arguments turns on.
func Flag(to *bool) Setter {
	return func(d *caddyfile.Dispenser) error {
		*to = true
		return None(d)
	}
}

// Value reads one argument.
func Value[T any](to *T, parse func(text string) (T, error)) Setter {
	return func(d *caddyfile.Dispenser) error {
		option := d.Val()
		var text string
		if !d.AllArgs(&text) {
			return d.ArgErr()
		}
		value, err := parse(text)
		if err != nil {
			return d.Errf("parsing %s: %v", option, err)
		}
		*to = value
		return nil
	}
}

// Text reads one argument as it is.
func Text[T ~string](to *T) Setter {
	return Value(to, func(text string) (T, error) { return T(text), nil })
}

// Filled reads one argument that isn't empty, where an empty one would be the default unasked.
func Filled[T ~string](to *T) Setter {
	return Value(to, func(text string) (T, error) {
		if text == "" {
			return "", errors.New("it is empty")
		}
		return T(text), nil
	})
}

// Unmarshal reads one argument that has a text form.
func Unmarshal(to encoding.TextUnmarshaler) Setter {
	var read struct{}
	return Value(&read, func(text string) (struct{}, error) { return read, to.UnmarshalText([]byte(text)) })
}

// Texts reads as many arguments as there are targets.
func Texts(to ...*string) Setter {
	return func(d *caddyfile.Dispenser) error {
		if !d.AllArgs(to...) {
			return d.ArgErr()
		}
		return nil
	}
}

// List reads one argument or more, and adds them to what an earlier line gave.
func List[T ~string](to *[]T) Setter {
	return func(d *caddyfile.Dispenser) error {
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.ArgErr()
		}
		for _, arg := range args {
			*to = append(*to, T(arg))
		}
		return nil
	}
}

// Word reads one argument that is one of words.
func Word(to *string, words ...string) Setter {
	return func(d *caddyfile.Dispenser) error {
		option := d.Val()
		var word string
		switch {
		case !d.AllArgs(&word):
			return d.ArgErr()
		case *to != "":
			return twice(d, option)
		case !slices.Contains(words, word):
			return notOneOf(d, option, word, words)
		}
		*to = word
		return nil
	}
}

func notOneOf(d *caddyfile.Dispenser, option, word string, words []string) error {
	return d.Errf("%s %q is not one of %s", option, word, strings.Join(words, ", "))
}

// Keyed is an option whose first argument says what the others are for. It repeats, and each key stands once.
func Keyed(keys ...Option) Setter {
	seen := make(map[string]bool)
	return func(d *caddyfile.Dispenser) error {
		option := d.Val()
		if !d.NextArg() {
			return d.ArgErr()
		}
		name := d.Val()
		key := find(keys, name)
		switch {
		case key == nil:
			return notOneOf(d, option, name, names(keys))
		case seen[name]:
			return twice(d, option+" "+name)
		}
		seen[name] = true
		if err := key.parse(d); err != nil {
			return fmt.Errorf("%s: %w", option, err)
		}
		return nil
	}
}

// Int reads a whole number, before which a slash may stand.
func Int(to *int) Setter {
	return Value(to, func(text string) (int, error) {
		n, err := strconv.Atoi(strings.TrimPrefix(text, "/"))
		if err != nil {
			return 0, fmt.Errorf("%q is not a whole number", text)
		}
		return n, nil
	})
}

// Float reads a number.
func Float(to *float64) Setter {
	return Value(to, func(text string) (float64, error) {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a number", text)
		}
		return n, nil
	})
}

// Count reads a whole number above 0.
func Count(to *int) Setter {
	return Value(to, func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return 0, fmt.Errorf("%q is not a whole number above 0", text)
		}
		return n, nil
	})
}

// Size reads a number of bytes above 0.
func Size(to *int64) Setter {
	return Value(to, func(text string) (int64, error) {
		size, err := humanize.ParseBytes(text)
		if err != nil || size == 0 || size > 1<<62 {
			return 0, fmt.Errorf("%q is not a size such as 32MiB", text)
		}
		return int64(size), nil
	})
}

// Duration reads a time span of a millisecond or more.
func Duration[T ~int64](to *T) Setter {
	return Value(to, func(text string) (T, error) {
		span, err := caddy.ParseDuration(text)
		if err != nil || span < time.Millisecond {
			return 0, fmt.Errorf("%q is not a duration such as 30s", text)
		}
		return T(span), nil
	})
}

// Optional reads into what is made for it: there may be a difference between nothing and a zero.
func Optional[T any](to **T, set func(*T) Setter) Setter {
	return func(d *caddyfile.Dispenser) error {
		value := new(T)
		if err := set(value)(d); err != nil {
			return err
		}
		*to = value
		return nil
	}
}

// Checked looks at what was read, so that an error names its line.
func Checked(set Setter, check func() error) Setter {
	return func(d *caddyfile.Dispenser) error {
		if err := set(d); err != nil {
			return err
		}
		if err := check(); err != nil {
			return d.WrapErr(err)
		}
		return nil
	}
}
