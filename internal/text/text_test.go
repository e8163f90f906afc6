package text

import "testing"

func TestPrintable(t *testing.T) {
	for text, want := range map[string]bool{"": true, "Grüße": true, "123456789": false, "a\nb": false, "\x7f": false, "\xff": false, "\u0085": false} {
		if got := Printable(text, 8); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestCut(t *testing.T) {
	for text, want := range map[string]string{"": "", "abc": "abc", "abcd": "abc", "abé": "ab", "éé": "é", "日本": "日", "\x80\x80\x80\x80": ""} {
		if got := Cut(text, 3); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
