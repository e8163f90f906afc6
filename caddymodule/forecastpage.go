package caddymodule

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/forecast"
	"github.com/wikiveil/wikiveil/noticeboard"
)

var (
	//go:embed forecastpage.html
	forecastPageHTML string
	//go:embed forecastpage.css
	forecastPageCSS string

	forecastPage = template.Must(template.New("forecast").Funcs(template.FuncMap{
		"day":       func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
		"join":      func(list []string) string { return strings.Join(list, ", ") },
		"kinds":     joinKinds,
		"caddyfile": func(d *forecast.Draft) string { return forecast.Caddyfile([]*forecast.Draft{d}) },
		"changes": func(title string, list []forecast.Change) changesView {
			return changesView{title, len(list), list[:min(len(list), maxForecastRows)]}
		},
	}).Parse(forecastPageHTML))
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
	Style    template.CSS
	Nonce    string
	Site     string
	Mode     string
	Forecast *forecast.Forecast
	// Gadgets and Tools are the first of the forecast's.
	Gadgets []forecast.Gadget
	Tools   []forecast.Tool
	Code    []forecast.Use
}

func joinKinds(list []noticeboard.Kind) string {
	texts := make([]string, len(list))
	for i, kind := range list {
		texts[i] = string(kind)
	}
	return strings.Join(texts, ", ")
}

func serveForecastPage(w http.ResponseWriter, collected *siteReports, made *forecast.Forecast) error {
	nonce := csp.NewNonce().String()
	var body bytes.Buffer
	if err := writeForecastPage(&body, collected, made, nonce); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	_, err := body.WriteTo(w)
	return err
}

// writeForecastPage writes the page, for the admin API and the command.
func writeForecastPage(w io.Writer, collected *siteReports, made *forecast.Forecast, nonce string) error {
	err := forecastPage.Execute(w, forecastPageView{
		Style: template.CSS(forecastPageCSS), Nonce: nonce, Site: collected.Site, Mode: collected.Mode, Forecast: made,
		Gadgets: made.Gadgets[:min(len(made.Gadgets), maxForecastRows)],
		Tools:   made.Tools[:min(len(made.Tools), maxForecastRows)],
		Code:    made.Code[:min(len(made.Code), maxForecastRows)],
	})
	if err != nil {
		return fmt.Errorf("rendering the page: %w", err)
	}
	return nil
}
