package forecast

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/noticeboard"
)

func forecastOfMaps(t *testing.T) *Forecast {
	proposed := mustPolicy(t, "default-src 'none'; img-src https://maps.example.org")
	return make1(t, Input{
		Reports: seen(200, group(50, "img-src", "https://maps.example.org", ""), group(1, "object-src", "https://video.example.org", "")),
		Code:    []Code{{"maps", "MediaWiki:Gadget-maps.js", "'https://maps.example.org/1' + 'maps.example.org'"}}, Proposed: &proposed,
	})
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := forecastOfMaps(t).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"What this policy would break on https://wiki.example",
		"From 51 reports and 200 page views of 2026-07-06 to 2026-07-07 (UTC).",
		"maps         code      img    50       25.0 %      2026-07-06  2026-07-07  https://maps.example.org",
		"in the code, write /.tools/maps-example-org instead: MediaWiki:Gadget-maps.js\n",
		"object-src can't be declared",
		"tool maps-example-org https://maps.example.org {",
		"# probably asked for by maps, whose code names it",
		"Newly allowed: 1",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// The file is one of a noticeboard, and what a person has to fill in is marked.
func TestFile(t *testing.T) {
	drafts := forecastOfMaps(t).Drafts()
	file, err := File(drafts)
	if err != nil {
		t.Fatal(err)
	}
	board, err := noticeboard.Parse(file, "tools.json")
	if err != nil {
		t.Fatalf("%v\n%s", err, file)
	}
	tool, ok := board.Lookup("maps-example-org")
	if !ok || tool.Origin != "https://maps.example.org" || len(tool.Kinds) != 1 || !tool.Has(noticeboard.Img) || tool.Access != noticeboard.ByProxy || len(tool.Hosts) > 0 {
		t.Errorf("got %+v", tool)
	}
	for field, text := range map[string]string{"purpose": tool.Purpose, "sends": tool.Sends, "retention": tool.Retention, "contact": tool.Contact} {
		if !strings.HasPrefix(text, FillIn) {
			t.Errorf("%s is not marked: %q", field, text)
		}
	}
	var entries []struct {
		Review struct{ Fill_in []string } `json:"_review"`
	}
	if err := json.Unmarshal(file, &entries); err != nil || len(entries) != 1 || len(entries[0].Review.Fill_in) != 9 {
		t.Errorf("%+v, %v", entries, err)
	}
}

// What stands in a comment stays there.
func TestComment(t *testing.T) {
	if got := comment("a\n} {$X}"); got != "a  $X" {
		t.Errorf("comment %q", got)
	}
}
