package options

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

type config struct {
	name    string
	count   int
	span    caddy.Duration
	list    []string
	on      bool
	a, b    int
	mode    string
	perhaps *string
	inner   *config
}

func (c *config) block(name string) Block {
	return Block{Name: name, Args: Text(&c.name), Options: []Option{
		{Name: "count", Args: "<n>", Doc: "How many.", Set: Count(&c.count)},
		{Name: "span", Set: Duration(&c.span)},
		{Name: "list", Args: "a|b", Set: List(&c.list), Repeats: true, Doc: "Some."},
		{Name: "on", Set: Flag(&c.on)},
		{Name: "of", Repeats: true, Set: Keyed(Option{Name: "a", Set: Int(&c.a)}, Option{Name: "b", Set: Int(&c.b)})},
		{Name: "mode", Set: Word(&c.mode, "x", "y")},
		{Name: "filled", Set: Filled(&c.mode)},
		{Name: "perhaps", Set: Optional(&c.perhaps, Text[string])},
		{Name: "inner", Block: func() Block {
			c.inner = new(config)
			return c.inner.block("inner")
		}},
	}, Check: func() error {
		if c.count == 13 {
			return errors.New("count 13 brings bad luck")
		}
		return nil
	}}
}

func parse(text string) (*config, error) {
	c := new(config)
	d := caddyfile.NewTestDispenser(text)
	d.Next()
	return c, c.block("outer").Parse(d)
}

func TestParse(t *testing.T) {
	c, err := parse("outer n {\n count 2\n span 3s\n list a\n list b c\n on\n of a 1\n of b /2\n mode y\n perhaps \"\"\n inner m {\n on\n }\n}")
	if err != nil {
		t.Fatal(err)
	}
	if c.name != "n" || c.count != 2 || time.Duration(c.span) != 3*time.Second || strings.Join(c.list, "") != "abc" || !c.on || c.a != 1 || c.b != 2 ||
		c.mode != "y" || c.perhaps == nil || c.inner.name != "m" || !c.inner.on || c.inner.count != 0 {
		t.Errorf("got %+v", c)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"outer":                                     "wrong argument count",
		"outer a b":                                 "wrong argument count",
		"outer n {\n colour red\n}":                 `unknown outer option "colour" (known: count, span, list, on, of, mode, filled, perhaps, inner), at Testfile:2`,
		"outer n {\n on\n on\n}":                    "on is given twice, at Testfile:3",
		"outer n {\n on 1\n}":                       "wrong argument count",
		"outer n {\n count 0\n}":                    `parsing count: "0" is not a whole number above 0, at Testfile:2`,
		"outer n {\n count 13\n}":                   "count 13 brings bad luck, at Testfile:2",
		"outer n {\n span soon\n}":                  `parsing span: "soon" is not a duration such as 30s`,
		"outer n {\n list\n}":                       "wrong argument count",
		"outer n {\n of\n}":                         "wrong argument count",
		"outer n {\n of c 1\n}":                     `of "c" is not one of a, b, at Testfile:2`,
		"outer n {\n of a many\n}":                  `of: parsing a: "many" is not a whole number`,
		"outer n {\n of a 1\n of a 2\n}":            "of a is given twice, at Testfile:3",
		"outer n {\n mode z\n}":                     `mode "z" is not one of x, y`,
		"outer n {\n filled \"\"\n}":                "parsing filled: it is empty, at Testfile:2",
		"outer n {\n inner m {\n colour red\n }\n}": `unknown inner option "colour"`,
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestTable(t *testing.T) {
	b := new(config).block("outer")
	b.Options = b.Options[:3]
	const want = "### outer\n\nOption | What it sets\n--- | ---\n`count <n>` | How many.\n`span` | \n`list a\\|b …` | Some.\n"
	if got := b.Table(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
