package policy

import (
	"crypto/rand"
	_ "embed"
	"html/template"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/csp/forecast"
	"github.com/wikiveil/wikiveil/internal/page"
)

var (
	//go:embed forecastpage.html
	forecastPageHTML string

	forecastPage = page.Must(forecastPageHTML, template.FuncMap{
		"day":       func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
		"join":      func(list []string) string { return strings.Join(list, ", ") },
		"caddyfile": func(d *forecast.Draft) string { return forecast.Caddyfile([]*forecast.Draft{d}) },
		"changes": func(title string, list []forecast.Change) changesView {
			return changesView{title, len(list), list[:min(len(list), maxForecastRows)]}
		},
	})
)

// maxForecastRows is how long the page's tables are; JSON has all.
const maxForecastRows = 200

// changesView is one of the page's tables of changes.
type changesView struct {
	Title string
	Count int
	Rows  []forecast.Change
}

// forecastPageView is what the template sees.
type forecastPageView struct {
	page.Frame
	Site     string
	Mode     string
	Forecast *forecast.Forecast
	// Gadgets and Tools are the first of the forecast's.
	Gadgets []forecast.Gadget
	Tools   []forecast.Tool
	Code    []forecast.Use
}

func serveForecastPage(w http.ResponseWriter, collected *siteReports, made *forecast.Forecast) error {
	nonce := rand.Text()
	page.Protect(w.Header(), page.Policy(page.Nonce(nonce), ""))
	return page.Write(w, http.StatusOK, forecastPage, newForecastView(collected, made, nonce))
}

// writeForecastPage writes the page for the command.
func writeForecastPage(w io.Writer, collected *siteReports, made *forecast.Forecast) error {
	return forecastPage.Execute(w, newForecastView(collected, made, ""))
}

func newForecastView(collected *siteReports, made *forecast.Forecast, nonce string) forecastPageView {
	return forecastPageView{
		Frame: page.Frame{Title: "What enforcing the policy would break", Nonce: nonce}, Site: collected.Site, Mode: collected.Mode, Forecast: made,
		Gadgets: made.Gadgets[:min(len(made.Gadgets), maxForecastRows)],
		Tools:   made.Tools[:min(len(made.Tools), maxForecastRows)],
		Code:    made.Code[:min(len(made.Code), maxForecastRows)],
	}
}
