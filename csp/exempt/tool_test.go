package exempt

import (
	"strings"
	"testing"
)

func TestNewToolsRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Tool)
		want   string
	}{
		"no name":                     {func(t *Tool) { t.Name = "" }, "a name is 1 to 63"},
		"a name with a colon":         {func(t *Tool) { t.Name = "localhost:80" }, "a name is 1 to 63"},
		"a name in capitals":          {func(t *Tool) { t.Name = "Weather" }, "a name is 1 to 63"},
		"a long name":                 {func(t *Tool) { t.Name = strings.Repeat("x", 64) }, "a name is 1 to 63"},
		"no origin":                   {func(t *Tool) { t.Origins = nil }, "it has no origin"},
		"an empty origin":             {func(t *Tool) { t.Origins = []string{""} }, "it is empty"},
		"everything":                  {func(t *Tool) { t.Origins = []string{"*"} }, "not one exact origin"},
		"a scheme":                    {func(t *Tool) { t.Origins = []string{"https:"} }, "not one exact origin"},
		"a wildcard":                  {func(t *Tool) { t.Origins = []string{"https://*.example"} }, "not one exact origin"},
		"any port":                    {func(t *Tool) { t.Origins = []string{"https://x.example:*"} }, "not one exact origin"},
		"a path":                      {func(t *Tool) { t.Origins = []string{"https://x.example/y"} }, "not one exact origin"},
		"a keyword":                   {func(t *Tool) { t.Origins = []string{"'unsafe-inline'"} }, "not one exact origin"},
		"no scheme":                   {func(t *Tool) { t.Origins = []string{"x.example"} }, "is not https"},
		"http":                        {func(t *Tool) { t.Origins = []string{"http://x.example"} }, "is not https"},
		"a second directive":          {func(t *Tool) { t.Origins = []string{"https://x.example; script-src *"} }, "parsing source"},
		"a second policy":             {func(t *Tool) { t.Origins = []string{"https://x.example,default-src *"} }, "parsing source"},
		"no kinds":                    {func(t *Tool) { t.Kinds = nil }, "it has no kinds"},
		"an unknown kind":             {func(t *Tool) { t.Kinds = []Kind{"frame"} }, `"frame" is no kind`},
		"a kind twice":                {func(t *Tool) { t.Kinds = []Kind{Img, Img} }, "twice"},
		"scripts without hashes":      {func(t *Tool) { t.Kinds = []Kind{Script} }, "go together"},
		"hashes without scripts":      {func(t *Tool) { t.Integrity = []string{sri} }, "go together"},
		"a weak hash":                 {func(t *Tool) { t.Kinds, t.Integrity = []Kind{Script}, []string{"md5-abc"} }, "no integrity hash"},
		"a nonce for a hash":          {func(t *Tool) { t.Kinds, t.Integrity = []Kind{Script}, []string{"nonce-abcd"} }, "no integrity hash"},
		"a keyword for a hash":        {func(t *Tool) { t.Kinds, t.Integrity = []Kind{Script}, []string{"unsafe-inline"} }, "no integrity hash"},
		"a hash that ends early":      {func(t *Tool) { t.Kinds, t.Integrity = []Kind{Script}, []string{sri[:20]} }, "no integrity hash"},
		"a hash that goes on":         {func(t *Tool) { t.Kinds, t.Integrity = []Kind{Script}, []string{sri + "' 'unsafe-inline"} }, "no integrity hash"},
		"one that calls itself local": {func(t *Tool) { t.Local = true }, "not declared"},
	} {
		t.Run(name, func(t *testing.T) {
			tool := weather()
			tt.change(&tool)
			if _, err := NewTools(tool); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "tool ") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := NewTools(weather(), weather()); err == nil || !strings.Contains(err.Error(), "declared twice") {
		t.Errorf("got %v", err)
	}
}

func TestNewToolsCopies(t *testing.T) {
	tool := weather()
	set := mustTools(t, tool)
	before := set.lookup("weather").state
	tool.Origins[0], tool.Kinds[0] = "https://evil.example", Script
	if own := set.lookup("weather"); own.Origins[0] != "https://weather.example" || own.Kinds[0] != Img || own.state != before {
		t.Errorf("the set changed with its source: %+v", own)
	}
	loopback := weather()
	loopback.Origins = []string{"http://127.0.0.1:9000", "http://localhost"}
	mustTools(t, loopback)
}
