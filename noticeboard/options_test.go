package noticeboard

import "testing"

// A declaration's text may hold anything printable; none of it may leave its token.
func TestCaddyfileTokens(t *testing.T) {
	for text, want := range map[string]string{
		`plain`:         `plain`,
		`two words`:     `"two words"`,
		``:              `""`,
		`a "b" c`:       "`a \"b\" c`",
		"a \"b\" and `": "\"a \\\"b\\\" and `\"",
		`ends in \`:     "`ends in \\`",
		"\\ and `":      "`\\ and '`",
		"two\nlines":    `"two lines"`,
		`{$SECRET}`:     "`{ $SECRET}`",
		"{block}":       "`{block}`",
		"#comment":      `"#comment"`,
		"<<HEREDOC":     `"<<HEREDOC"`,
		"\u202eturned":  `" turned"`,
	} {
		if got := token(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
