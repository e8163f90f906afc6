package edgetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/lookup/geo/geotest"
)

// Preset is the text of one of csp's policies.
func Preset(t testing.TB, name string) string {
	p, err := csp.Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	return p.String()
}

// PlainSite is the beginning of one, up to its app's address. The wikiveil option is missing: the directive makes the app.
const PlainSite = `{
	{GLOBAL}
}
http://{SITE} {
	client_mask
	reverse_proxy `

// LogLines returns the lines of a log once there are n.
func LogLines(t testing.TB, file string, n int) []string {
	t.Helper()
	var text string
	testutil.Eventually(t, fmt.Sprintf("%d lines in %s", n, filepath.Base(file)), func() bool {
		data, _ := os.ReadFile(file)
		text = string(data)
		return strings.Count(text, "\n") >= n
	})
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// WriteASN makes an ASN database in which 127.0.0.0/9 is one organisation's and 127.130.0.0/15 another's.
func WriteASN(t testing.TB, path string, late ...string) {
	t.Helper()
	networks := geotest.Networks{
		"127.0.0.0/9":    geotest.Organization(64500, "Example Access"),
		"127.130.0.0/15": geotest.Organization(64501, "Example Mobile"),
	}
	for _, cidr := range late {
		networks[cidr] = geotest.Organization(64502, "Example Late")
	}
	geotest.Write(t, path, geotest.ASN, networks)
}
