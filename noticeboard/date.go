package noticeboard

import (
	"encoding"
	"fmt"
	"time"
)

// Date is a day or a time, in JSON a string such as "2026-07-01" (its first
// moment, UTC) or, by RFC 3339, "2026-07-01T12:00:00+02:00".
type Date struct{ t time.Time }

// ParseDate reads a day or a time from 2000 on, to the second.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t, err = time.Parse(time.RFC3339, s)
	}
	t = t.UTC().Truncate(time.Second)
	if err != nil || t.Year() < 2000 || t.Year() > 9999 {
		return Date{}, fmt.Errorf("%q is not a day such as 2026-07-01, nor a time such as 2026-07-01T12:00:00Z", s)
	}
	return Date{t}, nil
}

// IsZero reports whether no date is given.
func (d Date) IsZero() bool { return d.t.IsZero() }

// Time returns the moment, in UTC.
func (d Date) Time() time.Time { return d.t }

// String returns the form that ParseDate reads, or "".
func (d Date) String() string {
	switch {
	case d.IsZero():
		return ""
	case d.t.Equal(d.t.Truncate(24 * time.Hour)):
		return d.t.Format(time.DateOnly)
	}
	return d.t.Format(time.RFC3339)
}

// MarshalText writes the form that ParseDate reads.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDate reads.
func (d *Date) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDate(string(b))
	return err
}

// Interface guards
var (
	_ encoding.TextMarshaler   = Date{}
	_ encoding.TextUnmarshaler = (*Date)(nil)
)
