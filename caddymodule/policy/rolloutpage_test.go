package policy

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/csp/rollout"
)

// The page tells what each step did, from what really went through the edge.
func TestRolloutPage(t *testing.T) {
	wiki := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Type", "text/html") })
	e := edgetest.New(t, rolloutCaddyfile("enforce", wiki))
	groups(t, e, manyClients()[:4])
	if resp, answer := sendReport(t, "http://"+e.Site+defaultReportsPath, oneReport(e.Site), nil); resp.StatusCode != 204 {
		t.Fatalf("%d %s", resp.StatusCode, answer)
	}
	if status, body := e.Post(t, adminRollout, map[string]any{"rollout": "report", "by": "<b>me</b>"}); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	groups(t, e, manyClients()[:3])
	resp, page := edgetest.Send(t, http.DefaultClient, "GET", "http://"+e.Admin+adminRollout, http.Header{"Accept": {"text/html"}})
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	for _, want := range []string{"<h2>wiki: report</h2>", "The config says enforce", "&lt;b&gt;me&lt;/b&gt;", "<svg ", ">report</text>", "reports, enforced"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, no := range []string{"<script", "<b>me", "ZgotmplZ", "NaN"} {
		if strings.Contains(page, no) {
			t.Errorf("the page has %q", no)
		}
	}
	if out := edgetest.Stdout(t, func() {
		if _, err := edgetest.Run(t, "", "csp", "rollout", "--page", "--address", e.Admin); err != nil {
			t.Error(err)
		}
	}); !strings.Contains(out, "<h2>wiki: report</h2>") {
		t.Errorf("the command printed %.200s", out)
	}
	svg := page[strings.Index(page, "<svg ") : strings.Index(page, "</svg>")+len("</svg>")]
	if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil {
		t.Errorf("the plot is not XML: %v", err)
	}

	app, err := edge.RunningApp()
	if err != nil {
		t.Fatal(err)
	}
	view := siteParts.Of(app).rollouts()[0].pageView(t.Context(), time.Now().UTC())
	var views, reported groupEffect
	for _, effect := range view.Effects {
		views.Views += effect.Enforced.Views
		views.Reports += effect.Enforced.Reports
		reported.Views += effect.Reported.Views
	}
	// All in the hour that the last step ended in.
	if views != (groupEffect{4, 1}) || reported.Views != 3 || views.PerThousand() != "250.0" {
		t.Errorf("enforced %+v (%s), report only %+v", views, views.PerThousand(), reported)
	}
}

func TestRolloutPageWithoutReports(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, strings.Replace(rolloutCaddyfile("5%", wiki), "reports\n", "", 1))
	_, page := edgetest.Send(t, http.DefaultClient, "GET", "http://"+e.Admin+adminRollout, http.Header{"Accept": {"text/html"}})
	if !strings.Contains(page, "The site collects no reports") || !strings.Contains(page, "<h2>wiki: 5%</h2>") || strings.Contains(page, "<svg") {
		t.Errorf("got %s", page)
	}
}

// Hours count for the step that they ended in, and for none before the first.
func TestEffects(t *testing.T) {
	from := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	step := func(minutes int, share rollout.Share) rollout.Step {
		return rollout.Step{Time: from.Add(time.Duration(minutes) * time.Minute), Share: share}
	}
	hours := make([]hourCounts, 6)
	for i := range hours {
		hours[i] = hourCounts{enforced: groupEffect{Views: 1 << (4 * i), Reports: 1}, reported: groupEffect{Views: 2}, untold: 3}
	}
	for name, c := range map[string]struct {
		steps []rollout.Step
		want  []uint64 // enforced views, in hex a digit for each hour
	}{
		"before it all":     {[]rollout.Step{step(-600, 0)}, []uint64{0x111111}},
		"in the middle":     {[]rollout.Step{step(-600, 0), step(150, 500)}, []uint64{0x11, 0x111100}},
		"on the hour":       {[]rollout.Step{step(-600, 0), step(120, 500)}, []uint64{0x11, 0x111100}},
		"first in it":       {[]rollout.Step{step(150, 500)}, []uint64{0x111100}},
		"two in an hour":    {[]rollout.Step{step(-600, 0), step(130, 500), step(140, 0)}, []uint64{0x11, 0, 0x111100}},
		"each its own hour": {[]rollout.Step{step(0, 0), step(61, 500), step(300, 0)}, []uint64{0x1, 0x11110, 0x100000}},
		"none":              {nil, nil},
	} {
		var got []uint64
		for _, e := range effectsOf(c.steps, hours, from) {
			got = append(got, e.Enforced.Views)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: got %x, want %x", name, got, c.want)
		}
	}
	if got := stepsSince([]rollout.Step{step(-9, 1), step(-5, 2), step(5, 3)}, from); len(got) != 2 || got[0].Share != 2 {
		t.Errorf("since: %v", got)
	}
}

func TestNiceMost(t *testing.T) {
	for most, want := range map[uint64]float64{0: 5, 4: 5, 5: 5, 6: 10, 10: 10, 11: 20, 45: 50, 99: 100, 101: 200, 7_000_000: 10_000_000} {
		if got := niceMost([]uint64{most}); got != want {
			t.Errorf("%d: got %v, want %v", most, got, want)
		}
	}
}
