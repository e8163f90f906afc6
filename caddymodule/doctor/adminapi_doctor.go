package doctor

import (
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/caddymodule/internal/checkup"
)

const (
	adminDoctor = "/wikiveil/doctor"
	adminProbe  = "/wikiveil/doctor/probe"
)

func init() {
	edge.HandleAdmin(adminDoctor, examine, http.MethodGet) // what the edge finds out of itself
	edge.HandleAdmin(adminProbe, probe, http.MethodPost)   // looks out for a request, or tells what became of it {?token}
}

// examined is the response to the one.
type examined struct {
	Now      time.Time         `json:"now"` // by the edge's clock
	Findings []checkup.Finding `json:"findings"`
}

// probeRequest and probeResponse are of the other. A request without a token begins; one with it ends.
type probeRequest struct {
	Token string `json:"token,omitempty"`
}

type probeResponse struct {
	Token string       `json:"token,omitempty"`
	Seen  checkup.Seen `json:"seen"`
}

func examine(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	findings := app.Checkup(r.Context())
	checkup.Sort(findings)
	return admin.WriteJSON(w, examined{Now: app.Clock().Now(), Findings: findings})
}

func probe(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	var body probeRequest
	if err := admin.Read(w, r, &body, "token"); err != nil {
		return err
	}
	if body.Token != "" {
		return admin.WriteJSON(w, probeResponse{Seen: app.Probes().Take(body.Token)})
	}
	token := app.Probes().New(time.Now())
	if token == "" {
		return caddy.APIError{HTTPStatus: http.StatusTooManyRequests, Err: errors.New("too many requests are looked out for; try again in a minute")}
	}
	return admin.WriteJSON(w, probeResponse{Token: token})
}
