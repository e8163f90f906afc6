package noticeboard

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestAccess(t *testing.T) {
	script := func(change func(*Tool)) *Tool {
		tool := &Tool{
			Name: "maps", Origin: "https://maps.example.org", Access: ByConsent, Kinds: []Kind{Script, Img},
			Executable: true, Integrity: []string{testIntegrity},
		}
		change(tool)
		return tool
	}
	for _, tc := range []struct {
		name   string
		change func(*Tool)
		reason string
	}{
		{"script with all it needs", func(*Tool) {}, ""},
		{"script by the proxy", func(t *Tool) { t.Access = ByProxy }, "nothing that the proxy brings may run on the wiki"},
		{"script by default", func(t *Tool) { t.Access = "" }, "nothing that the proxy brings may run on the wiki"},
		{"script by both", func(t *Tool) { t.Access = ByBoth }, "isn't allowed with access both"},
		{"script unmarked", func(t *Tool) { t.Executable = false }, "isn't allowed without executable"},
		{"script without hashes", func(t *Tool) { t.Integrity = nil }, "isn't allowed without integrity"},
		{"marked without script", func(t *Tool) { t.Kinds, t.Integrity = []Kind{Img}, nil }, "executable is for the kind"},
		{"hashes without script", func(t *Tool) { t.Kinds, t.Executable = []Kind{Img}, false }, "integrity is for the kind"},
		{"unknown hash", func(t *Tool) { t.Integrity = []string{"md5-1B2M2Y8AsgTpgAmY7PhCfg=="} }, "isn't a hash"},
		{"short hash", func(t *Tool) { t.Integrity = []string{"sha384-b3F2"} }, "isn't a hash"},
		{"hash of another size", func(t *Tool) { t.Integrity = []string{"sha256-" + testIntegrity[7:]} }, "isn't a hash"},
		{"hash with options", func(t *Tool) { t.Integrity = []string{testIntegrity + "?x"} }, "isn't a hash"},
		{"hash with a line break", func(t *Tool) { t.Integrity = []string{testIntegrity + "\n"} }, "isn't a hash"},
		{"hash that leaves its source", func(t *Tool) { t.Integrity = []string{testIntegrity + "' *"} }, "isn't a hash"},
		{"too many hashes", func(t *Tool) { t.Integrity = slices.Repeat([]string{testIntegrity}, 65) }, "more than 64 hashes"},
		{"unknown access", func(t *Tool) { t.Access = "open" }, `access "open" is unknown`},
		{"unknown personal", func(t *Tool) { t.Personal = "no" }, `personal "no" is unknown`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := script(tc.change).Validate()
			if tc.reason == "" && err != nil || tc.reason != "" && (err == nil || !strings.Contains(err.Error(), tc.reason)) {
				t.Errorf("error %v, want one that says %q", err, tc.reason)
			}
		})
	}
	if slices.Contains(Kinds(), Script) {
		t.Error("the proxy's kinds have scripts among them")
	}
}

func TestWaysToATool(t *testing.T) {
	for access, want := range map[Access][2]bool{"": {true, false}, ByProxy: {true, false}, ByConsent: {false, true}, ByBoth: {true, true}} {
		tool, err := (&Tool{Name: "a", Origin: "https://a.example.org", Access: access}).normalised()
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{tool.Proxied(), tool.Consentable()}; got != want {
			t.Errorf("%q: proxied, consentable = %v, want %v", access, got, want)
		}
	}
}

func TestDate(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"2026-07-01", "2026-07-01"},
		{"2026-07-01T00:00:00Z", "2026-07-01"},
		{"2026-07-01T12:00:00+02:00", "2026-07-01T10:00:00Z"},
		{"2026-07-01T12:00:00.5Z", "2026-07-01T12:00:00Z"},
		{"0001-01-01", ""}, {"1999-12-31", ""}, {"2026-02-30", ""}, {"2026-7-1", ""}, {"tomorrow", ""}, {"", ""}, {"2026-07-01 12:00", ""},
		{"10000-01-01", ""},
	} {
		var d Date
		err := json.Unmarshal([]byte(`"`+tc.in+`"`), &d)
		if (err != nil) != (tc.want == "") || d.String() != tc.want {
			t.Errorf("%q: got %q, %v; want %q", tc.in, d, err, tc.want)
		}
	}
}
