package policy

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
)

const (
	adminReports  = "/wikiveil/csp/reports"
	adminForecast = "/wikiveil/csp/forecast"

	// forecastDays is how far back a forecast looks.
	forecastDays = 7
)

func init() {
	edge.HandleAdmin(adminReports, serveReports, http.MethodGet)                    // what a site collected {?site, first, last}, with its policies and tools
	edge.HandleAdmin(adminForecast, serveForecast, http.MethodGet, http.MethodHead) // what enforcing the policy would break {?site, first, last}, as a page or JSON
}

// requestedReports returns the reports that a request asks for by its query.
func requestedReports(app *edge.App, r *http.Request) (_ *siteReports, err error) {
	last := time.Now()
	first := last.AddDate(0, 0, -forecastDays)
	query := r.URL.Query()
	for name, at := range map[string]*time.Time{"first": &first, "last": &last} {
		if text := query.Get(name); text != "" {
			if *at, err = parseDay(text); err != nil {
				return nil, admin.BadRequest(fmt.Errorf("%s %w", name, err))
			}
		}
	}
	if span := last.Sub(first); span < 0 || span > maxReportsKept {
		return nil, admin.BadRequest(fmt.Errorf("from first to last must be a time of up to %d days", maxReportsKept/day))
	}
	return siteParts.Of(app).siteReports(r.Context(), query.Get("site"), first, last)
}

// parseDay reads a day or a time.
func parseDay(text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 2000 && t.Year() < 10000 {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("is neither a day such as 2026-07-01 nor a time such as 2026-07-01T12:00:00Z")
}

// serveReports tells what was collected.
func serveReports(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	collected, err := requestedReports(app, r)
	if err != nil {
		return err
	}
	return admin.WriteJSON(w, collected)
}

// serveForecast tells what enforcing the policy would break, browsers with a page. The
// gadgets' code is not looked at: the edge asks nobody on a request's word. The
// command does.
func serveForecast(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	collected, err := requestedReports(app, r)
	if err != nil {
		return err
	}
	made, err := collected.forecastOf("", nil, false)
	if err != nil {
		return admin.BadRequest(err)
	}
	w.Header().Set("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		return serveForecastPage(w, collected, made)
	}
	return admin.WriteJSON(w, made)
}
