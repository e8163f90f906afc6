package confirm

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"
)

const (
	// TokenField and CodeField are the form's own fields.
	TokenField = "token"
	CodeField  = "code"
	// MaxForm is the longest form in bytes.
	MaxForm = 8 << 10
)

// Form is a form that a page of the flow's origin sent. Only [Flow.ReadForm] makes one.
type Form struct{ values map[string]string }

// Get returns a field's value, "" if the form lacks it.
func (f Form) Get(name string) string { return f.values[name] }

// ReadForm checks that r is the form of a page on the flow's own origin: POST,
// https as the caller says, urlencoded, with this origin as `Origin` and, where the
// browser sends them, Sec-Fetch headers that agree. It then reads it: at most
// [MaxForm] bytes, [TokenField], [CodeField] and the fields named, each at most once, in UTF-8.
//
// Check the own fields before [Flow.Redeem]: until then the form can be sent again.
func (f *Flow) ReadForm(r *http.Request, https bool, fields ...string) (Form, error) {
	if err := f.checkPost(r, https); err != nil {
		return Form{}, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxForm+1))
	if err != nil {
		return Form{}, fmt.Errorf("%w: %w", ErrForm, err)
	}
	if len(body) > MaxForm {
		return Form{}, errTooLarge
	}
	return parseForm(string(body), fields)
}

func parseForm(body string, fields []string) (Form, error) {
	parsed, err := url.ParseQuery(body)
	if err != nil {
		return Form{}, ErrForm
	}
	values := make(map[string]string, len(parsed))
	for name, list := range parsed {
		switch {
		case name != TokenField && name != CodeField && !slices.Contains(fields, name):
			return Form{}, errUnknownField
		case len(list) != 1:
			return Form{}, errRepeatedField
		case !utf8.ValidString(list[0]):
			return Form{}, ErrForm
		}
		values[name] = list[0]
	}
	return Form{values}, nil
}
