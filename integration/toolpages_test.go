//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/wikiveil/wikiveil/anonproxy/mirror"
)

// TestToolPages looks at the noticeboard and at the transcripts as readers see them: light, dark and on
// a phone. All of it is readable there, and nothing violates their own policy or the wiki's.
func TestToolPages(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, "window.lib = 1;")
	}
	cdn := startTool(t, answer)
	about := `title "Maps"
purpose "Draws the maps in articles about places"
sends "The part of the map that is shown"
retention "Access logs for 7 days"
source https://git.example.org/maps
privacy https://maps.example.org/privacy
contact maps@example.org
personal none
reviewer "Marie Keller"
reviewed 2026-11-01
methods GET HEAD POST
streams events websocket
`
	s := setScene(t, fronts[0], edgeConfig{
		app: "data_dir " + t.TempDir() + "\n" +
			"tool maps https://maps.example.org {\n" + about + "}\n" +
			"tool translate https://translate.example.org {\ntitle Translator\npersonal some\npseudonym\n}\n" +
			"tool old https://old.example.org {\ntitle \"Old statistics\"\ndisabled\n}\n" +
			"tool local " + cdn.url + " {\nallow_loopback\n}\n" +
			"tool jsdelivr " + cdn.url + " {\ntitle \"Charts\"\npurpose \"Charts in articles\"\nkinds script\nexecutable\nallow_loopback\n" +
			"mirror /npm/chart.js@4.5.0/dist/chart.umd.js " + mirror.Integrity([]byte("window.lib = 1;")) + "\n}\n",
		site: clientMask + "csp\nanonproxy\n",
	}, "")
	stop, err := http.Post(s.admin+"/wikiveil/tools/disable", "application/json", strings.NewReader(`{"tool": "maps", "url": "https://maps.example.org/users/", "why": "Names editors"}`))
	if err != nil || stop.StatusCode != http.StatusOK {
		t.Fatalf("stopping a part: %v %v", stop, err)
	}
	stop.Body.Close()

	reader := s.visit(bob)
	for _, tool := range []string{"maps", "translate", "local"} {
		wait(t, "the transcript of "+tool, func() bool {
			resp, err := reader.http.Get(s.url + "/.tools/" + tool + "/transcript")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
	}
	b := startBrowser(t)
	for _, look := range []struct {
		name, scheme  string
		width, height int64
	}{{"light", "light", 1000, 800}, {"dark", "dark", 1000, 800}, {"narrow", "light", 360, 800}} {
		b.do(t,
			command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: look.width, Height: look.height, DeviceScaleFactor: 1}),
			command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}}))
		for page, path := range map[string]string{"tools": "", "transcript": "maps/transcript", "transcript-pseudonym": "translate/transcript", "transcript-plain": "local/transcript"} {
			b.open(t, s.url+"/.tools/"+path)
			b.waitFor(t, `document.readyState === 'complete' && document.querySelector('main h1')`)
			if wide := evaluate[float64](t, b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
				t.Errorf("%s, %s: %g pixels too wide", page, look.name, wide)
			}
			if broken := evaluate[int](t, b, `[...document.querySelectorAll('dt')].filter(e => e.textContent.length > 2 && e.offsetWidth < 100).length`); broken > 0 {
				t.Errorf("%s, %s: %d names of things are squeezed", page, look.name, broken)
			}
			if page == "transcript" && look.name == "light" {
				screenshot(t, b, "transcript.png")
			}
			picture(t, page+"-"+look.name+".png", b, chromedp.FullScreenshot(100))
		}
	}
	b.open(t, s.url+"/.tools/")
	links := evaluate[[]string](t, b, `[...document.querySelectorAll('a[href$="/transcript"]')].map(a => a.getAttribute('href'))`)
	if want := []string{"/.tools/maps/transcript", "/.tools/translate/transcript", "/.tools/local/transcript"}; !slices.Equal(links, want) {
		t.Errorf("the noticeboard links to %q, want %q", links, want)
	}
	if violations, failures := b.take(); len(violations)+len(failures) > 0 {
		t.Errorf("violations %+v, failures %q", violations, failures)
	}
}
