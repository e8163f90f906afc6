package forwarded

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// Case 3: what can only mean one address is read, nothing else.
func TestCase3Parse(t *testing.T) {
	for _, c := range []struct{ element, want string }{
		{"203.0.113.9", "203.0.113.9"},
		{" \t203.0.113.9 ", "203.0.113.9"},
		{"203.0.113.9:51108", "203.0.113.9"},
		{"203.0.113.9:", "203.0.113.9"},
		{"203.0.113.9:_port", "203.0.113.9"},
		{`"203.0.113.9"`, "203.0.113.9"},
		{`"203.0.113.9:80"`, "203.0.113.9"},
		{"[203.0.113.9]:80", "203.0.113.9"},
		{"203.0.113.009", "203.0.113.9"},
		{"203.000.113.009:80", "203.0.113.9"},
		{"203.0.113.007", "203.0.113.7"},
		{"203.0.113.08", "203.0.113.8"},
		{"::ffff:203.0.113.9", "203.0.113.9"},
		{"::ffff:203.0.113.009", "203.0.113.9"},
		{"::ffff:cb00:7109", "203.0.113.9"},
		{"2001:db8:1:2::9", "2001:db8:1:2::9"},
		{"[2001:db8:1:2::9]", "2001:db8:1:2::9"},
		{"[2001:DB8:1:2::9]:443", "2001:db8:1:2::9"},
		{`"[2001:db8:1:2::9]:443"`, "2001:db8:1:2::9"},
		{"2001:db8:1:2:3:4:5:6:51108", "2001:db8:1:2:3:4:5:6"},
		{"2001:db8:1:2:3:4:5:6:80", "2001:db8:1:2:3:4:5:6"},
		{"2001:db8::1:51108", "2001:db8::1"},
		{"fe80::1%eth0", "fe80::1"},
		{"[fe80::1%25eth0]:80", "fe80::1"},

		{"", ""},
		{"-", ""},
		{"unknown", ""},
		{"_hidden", ""},
		{`""`, ""},
		{`"203.0.113.9`, ""},
		{"203.0.113.011", ""}, // 11, or 9 to those who read octal
		{"203.0.113.0009", ""},
		{"203.0.113.777", ""},
		{"203.0.113", ""},
		{"203.0.113.9.", ""},
		{"203.0.113.9:65536", ""},
		{"203.0.113.9:+80", ""},
		{"203.0.113.9:080", ""},
		{"203.0.113.9:http", ""},
		{"203.0.113.9 198.51.100.1", ""},
		{"203.0.113.9/32", ""},
		{"3405803785", ""},
		{"0xcb007109", ""},
		{"[2001:db8::9", ""},
		{"2001:db8::9]", ""},
		{"[2001:db8::9]80", ""},
		{"[[2001:db8::9]]", ""},
		{"2001:db8:1:2:3:4:5:6:7:51108", ""},
		{"2001:db8:1:2:3:4:5:6:99999", ""},
		{"2001:db8:::1", ""},
		{"for=203.0.113.9", ""},
		{"localhost", ""},
		{"0.0.0.0", ""},
		{"::", ""},
		{"255.255.255.255", ""},
		{"ff02::1", ""},
		{"fe80::1%" + strings.Repeat("x", 1000), ""},
	} {
		got, err := Parse(c.element)
		want, _ := netip.ParseAddr(c.want)
		if got != want || (err == nil) != want.IsValid() {
			t.Errorf("%q: got %v, %v, want %v", c.element, got, err, want)
		}
		if err != nil && !errors.Is(err, ErrUnreadable) {
			t.Errorf("%q: %v", c.element, err)
		}
	}
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		header string
		lines  []string
		want   string // "?" is what can't be read
	}{
		{"X-Forwarded-For", nil, ""},
		{"X-Forwarded-For", []string{"", " ,, "}, ""},
		{"X-Forwarded-For", []string{"203.0.113.9, 198.51.100.1", "[2001:db8::1]"}, "203.0.113.9 198.51.100.1 2001:db8::1"},
		{"X-Forwarded-For", []string{"unknown,, 198.51.100.1"}, "? 198.51.100.1"},
		{"X-Forwarded-For", []string{"for=203.0.113.9"}, "?"},
		{"Forwarded", []string{`for=203.0.113.9;proto=http;by=198.51.100.1, FOR="[2001:db8::1]:80"`}, "203.0.113.9 2001:db8::1"},
		{"forwarded", []string{`proto=https; for = "203.0.113.9:_x"`}, "203.0.113.9"},
		{"Forwarded", []string{"for=_hidden, for=unknown, for=198.51.100.1"}, "? ? 198.51.100.1"},
		{"Forwarded", []string{"by=198.51.100.1"}, "?"},
		{"Forwarded", []string{"for=203.0.113.9;for=203.0.113.8"}, "?"},
		{"Forwarded", []string{`proto="a,for=203.0.113.9;\",", for=198.51.100.1`}, "? 198.51.100.1"},
		{"Forwarded", []string{"203.0.113.9"}, "?"},
		// What a client sent, and behind it what the proxy wrote.
		{"Forwarded", []string{`for=203.0.113.9;x="` + `, for="[2001:db8::1]:80"`}, "?"},
		{"Forwarded", []string{`for=203.0.113.9;x="` + `, for=198.51.100.1;by="_edge"`}, "?"},
		{"Forwarded", []string{`for=203.0.113.9;x="` + `, for=198.51.100.1`}, "?"},
		{"Forwarded", []string{`for=203.0.113.9;x="\` + `, for=198.51.100.1;by="_edge"`}, "?"},
		{"Forwarded", []string{`for=203.0.113.9;"` + `, for=198.51.100.1;by="_edge"`}, "?"},
		{"Forwarded", []string{`for=203.0.113.9;"x="y"` + `, for=198.51.100.1;by="_edge"`}, "?"},
		{"Forwarded", []string{`for=203.0.113.9;x="` + `, for=198.51.100.1`, "for=198.51.100.2"}, "? 198.51.100.2"},
	} {
		var got []string
		for _, addr := range Read(c.header, c.lines) {
			if !addr.IsValid() {
				got = append(got, "?")
				continue
			}
			got = append(got, addr.String())
		}
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s %q: got %q, want %q", c.header, c.lines, got, c.want)
		}
	}
}

func TestReadable(t *testing.T) {
	list := Read("X-Forwarded-For", []string{"203.0.113.9, -, 198.51.100.1, 198.51.100.2"})
	end, all := list.Readable()
	if end.String() != "198.51.100.1, 198.51.100.2" || all {
		t.Errorf("got %v, %v", end, all)
	}
	if end, all = end.Readable(); len(end) != 2 || !all {
		t.Errorf("got %v, %v", end, all)
	}
}

// Whatever is read means the same to Go's own parser, once it is put plainly.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"203.0.113.009", "[2001:db8:1:2::9]", "2001:db8:1:2:3:4:5:6:51108", `"203.0.113.9"`, "-", "unknown, 203.0.113.9",
		`for="[2001:db8::1]:_p";by=_x, for=198.51.100.1`, "fe80::1%25eth0", "::ffff:1.2.3.010", `"\",`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, name := range []string{"X-Forwarded-For", "Forwarded"} {
			list := Read(name, []string{line})
			end, _ := list.Readable()
			for _, addr := range end {
				if !addr.IsValid() || addr.Zone() != "" || addr.Is4In6() || !canBeClient(addr) {
					t.Fatalf("%q gives %v", line, addr)
				}
			}
			if again := Read("X-Forwarded-For", []string{end.String()}); !slices.Equal(again, end) {
				t.Fatalf("%q gives %v, then %v", line, end, again)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	lines := []string{"203.0.113.9"}
	b.ReportAllocs()
	for b.Loop() {
		Read("X-Forwarded-For", lines)
	}
}
