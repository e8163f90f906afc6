package caddymodule

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/forecast"
	"github.com/wikiveil/wikiveil/csp/reports"
)

// Titles have up to 255 bytes, and outside of Latin script three times as many when they are escaped: more than
// a file's name may have.
func TestDraftsOfLongTitles(t *testing.T) {
	const origin = "https://maps.example.org"
	long := "MediaWiki:Gadget-" + strings.Repeat("карта", 20)
	var code []forecast.Code
	for _, title := range []string{"MediaWiki:Gadget-maps.js", long + "1.js", long + "2.js"} {
		code = append(code, forecast.Code{Gadget: title, Title: title, Text: "load('" + origin + "/" + title + "')"})
	}
	policy, err := csp.Preset("mediawiki")
	if err != nil {
		t.Fatal(err)
	}
	made, err := forecast.New(forecast.Input{
		Page: "https://wiki.example", Policy: policy, Code: code,
		Reports: &reports.Snapshot{Groups: []reports.Group{{Report: reports.Report{Directive: "img-src", Blocked: origin}, Count: 1}},
			Origins: []reports.Group{{Report: reports.Report{Directive: "img-src", Blocked: origin}, Count: 1}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "drafts")
	if err := writeDrafts(dir, made, code); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Join(dir, "code"))
	if err != nil || len(files) != len(code) {
		t.Fatalf("%d pages of code are written, %v, want %d", len(files), err, len(code))
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".js") || !strings.HasPrefix(file.Name(), url.QueryEscape("MediaWiki:Gadget-")) {
			t.Errorf("a page is in %s", file.Name())
		}
	}
}
