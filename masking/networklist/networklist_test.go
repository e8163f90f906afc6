package networklist

import (
	"fmt"
	"strings"
	"testing"

	"go4.org/netipx"
)

// Case 15: lists as they are published.
func TestCase15Lists(t *testing.T) {
	for name, list := range map[string]string{
		"plain":             "192.0.2.0/24\n2001:db8::/32\n198.51.100.7\n",
		"comments":          "# Exits\n; of a day\n192.0.2.0/24 ; SBL1\n2001:db8::/32# two\n\n  # end\n198.51.100.7;x",
		"mark and DOS":      "\ufeff192.0.2.0/24\r\n\r\n2001:db8::/32\r\n198.51.100.7\r\n",
		"mark and comment":  "\ufeff# 192.0.3.0/24\n192.0.2.0/24,2001:db8::/32, 198.51.100.7",
		"old Mac":           "# of a day\r192.0.2.0/24\r; end\r2001:db8::/32\r\r198.51.100.7\r",
		"mixed ends":        "# x\r192.0.2.0/24 # y\r\n2001:db8::/32\n\r198.51.100.7#\r",
		"one line":          "192.0.2.0/24 2001:db8::/32\t198.51.100.7",
		"spans":             "192.0.2.0-192.0.2.255\n2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff\n198.51.100.7-198.51.100.7",
		"mapped and masked": "::ffff:192.0.2.9/120\n2001:db8::1/32\n::ffff:198.51.100.7",
	} {
		var b netipx.IPSetBuilder
		if n, err := (List{}).Read(strings.NewReader(list), b.AddPrefix); err != nil || n != 3 {
			t.Errorf("%s: %d, %v", name, n, err)
			continue
		}
		set, err := b.IPSet()
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(set.Prefixes()); got != "[192.0.2.0/24 198.51.100.7/32 2001:db8::/32]" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestBadLists(t *testing.T) {
	for name, tc := range map[string]struct{ list, want string }{
		"name":           {"192.0.2.0/24\n\n# x\nexample.org", `line 4: "example.org" is neither`},
		"lines, old Mac": {"# x\r192.0.2.1\r\rx", `line 4: "x" is neither`},
		"lines, DOS":     {"# x\r\n192.0.2.1\r\n\r\nx", `line 4: "x" is neither`},
		"count":          {"192.0.2.1\t8", `line 1: "8" is neither`},
		"a quarter":      {"192.0.2.0/24\n192.0.2.0/2", `line 2: 192.0.0.0/2 is too wide`},
		"everything":     {"::/0", "line 1:"},
		"mapped":         {"::ffff:0.0.0.0/100", "too wide"},
		"wide span":      {"10.0.0.0-13.255.255.255", "too wide"},
		"span backwards": {"192.0.2.9-192.0.2.1", "the first one first"},
		"mixed span":     {"192.0.2.9-2001:db8::1", "the first one first"},
		"long line":      {"192.0.2.1\n" + strings.Repeat("x", maxLine+1), "line 2: bufio.Scanner: token too long"},
		"long word":      {strings.Repeat("x", 999), "…"},
		"binary":         {"\x1f\x8b\x08\x00", `line 1: "\x1f`},
	} {
		var b netipx.IPSetBuilder
		if _, err := (List{Format: Ranges}).Read(strings.NewReader(tc.list), b.AddPrefix); err == nil || !strings.Contains(err.Error(), tc.want) || len(err.Error()) > 300 {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}
