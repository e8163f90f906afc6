package policy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/csp/forecast"
)

// Whoever disabled a tool is not to be handed a declaration that lets its origin through under another name.
func TestForecastDraftsNoDisabledTool(t *testing.T) {
	e := forecastEdge(t, "mode report", "media-src https://video.example.org/a.webm")
	if status, body := e.Post(t, "/wikiveil/tools/disable", edgetest.JSON{"tool": "video", "why": "It leaks"}); status != 200 {
		t.Fatalf("disabling: %d %s", status, body)
	}
	out, err := forecastOf(t, e, "--json")
	if err != nil {
		t.Fatal(err)
	}
	var made forecast.Forecast
	if err := json.Unmarshal([]byte(out), &made); err != nil || len(made.Tools) != 1 {
		t.Fatalf("%v in %s", err, out)
	}
	got := made.Tools[0]
	if got.Status != forecast.Unusable || got.Declared != "video" || len(got.Drafts) != 0 ||
		!strings.Contains(strings.Join(got.Obstacles, "\n"), "the tool video is disabled or has expired") {
		t.Errorf("the disabled tool stands as %s %q, with %d drafts and the obstacles %q", got.Status, got.Declared, len(got.Drafts), got.Obstacles)
	}
}
