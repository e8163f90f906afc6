package tools

import (
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/noticeboard"
)

const adminCanary = "/wikiveil/tools/canary"

func init() {
	// How the tools' canaries fare {?tool: with all kept transcripts}; POST runs a tool's canary now {tool}.
	edge.HandleAdmin(adminCanary, serveCanary, http.MethodGet, http.MethodPost)
}

// canaryRequest is the body that has a canary run now.
type canaryRequest struct {
	Tool string `json:"tool"`
}

// canaryReport is how a tool's canary fares, once for each different way in which sites ask tools.
type canaryReport struct {
	Tool   string `json:"tool"`
	Prefix string `json:"prefix"`
	// Ran is the last run that found out what the tool gets; missing if none has.
	Ran         time.Time `json:"ran,omitzero"`
	Differences []string  `json:"differences,omitempty"`
	// Error is why the last run found nothing out, or wasn't published.
	Error string `json:"error,omitempty"`
	// Sequence is the number of the transcript that is shown; 0 is none.
	Sequence uint64 `json:"sequence,omitempty"`
	// Kept are the signed transcripts that are kept, the newest last, where one tool was asked for.
	Kept []string `json:"kept,omitempty"`
}

// serveCanary tells how canaries fare, and runs one.
func serveCanary(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		var body canaryRequest
		if err := admin.Read(w, r, &body, "tool"); err != nil {
			return err
		}
		return runCanaries(app, w, r, body.Tool)
	}
	reports := []canaryReport{}
	tool := r.URL.Query().Get("tool")
	for _, runner := range toolParts.Of(app).canaries.all() {
		for name, s := range runner.canaryBook.all {
			if tool != "" && tool != name {
				continue
			}
			report := runner.report(name, s)
			if tool != "" && s.chain != nil {
				var err error
				if report.Kept, err = s.chain.Kept(r.Context()); err != nil {
					return err
				}
			}
			reports = append(reports, report)
		}
	}
	return admin.WriteJSON(w, reports)
}

// runCanaries runs the canaries of a tool, for all sites that ask it in different ways.
func runCanaries(a *edge.App, w http.ResponseWriter, r *http.Request, name string) error {
	entry, err := a.Noticeboard().ForProxy(name, canaryPath)
	if err == nil && !noticeboard.HasTranscript(entry.Tool) {
		err = errors.New("the tool is a mirror, which has no canary")
	}
	runners := toolParts.Of(a).canaries.all()
	if err == nil && len(runners) == 0 {
		err = errors.New("no site has a canary")
	}
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
	}
	var reports []canaryReport
	for _, runner := range runners {
		runner.run(r.Context(), entry.Tool, entry.Hash)
		reports = append(reports, runner.report(name, runner.standing(name)))
	}
	return admin.WriteJSON(w, reports)
}

func (r *canaryRunner) report(tool string, s canaryStanding) canaryReport {
	report := canaryReport{Tool: tool, Prefix: r.handler.pageOptions().Prefix, Ran: s.ran, Differences: s.differences}
	if s.err != nil {
		report.Error = s.err.Error()
	}
	if s.shown != nil {
		report.Sequence = s.shown.Sequence
	}
	return report
}
