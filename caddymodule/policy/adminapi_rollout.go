package policy

import (
	"errors"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/csp/rollout"
)

const adminRollout = "/wikiveil/csp/rollout"

func init() {
	// How far policies are rolled out, as a page for browsers; POST changes that {site, rollout, reset, by}.
	edge.HandleAdmin(adminRollout, serveRollout, http.MethodGet, http.MethodHead, http.MethodPost)
}

// rolloutView is how far a site's policy is rolled out.
type rolloutView struct {
	Site string `json:"site"`
	// Rollout is what holds: what was set by command, else what is configured.
	Rollout    rollout.Share  `json:"rollout"`
	Configured rollout.Share  `json:"configured"`
	Override   *rollout.Share `json:"override,omitempty"`
	Steps      []rollout.Step `json:"steps,omitempty"`
}

// rolloutChange is the body that changes a rollout.
type rolloutChange struct {
	// Site may be missing where there is only one.
	Site string `json:"site,omitempty"`
	// Rollout is "report", a percentage such as "5%", or "enforce".
	Rollout *rollout.Share `json:"rollout,omitempty"`
	// Reset has the configured share hold again.
	Reset bool `json:"reset,omitempty"`
	// By is who changes it; "API" if missing.
	By string `json:"by,omitempty"`
}

// serveRollout tells on GET how far policies are rolled out, browsers with a page, and
// changes that on POST.
func serveRollout(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		w.Header().Set("Vary", "Accept")
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			return serveRolloutPage(w, r, app)
		}
	case http.MethodPost:
		if err := postRollout(app, w, r); err != nil {
			return err
		}
	}
	return admin.WriteJSON(w, rolloutViews(app))
}

func rolloutViews(app *edge.App) []rolloutView {
	list := []rolloutView{}
	for _, site := range siteParts.Of(app).rollouts() {
		list = append(list, site.view())
	}
	return list
}

func (s *cspSite) view() rolloutView {
	kept := s.book.Site(s.name)
	v := rolloutView{Site: s.name, Rollout: s.configured, Configured: s.configured, Override: kept.Override, Steps: kept.Steps}
	if kept.Override != nil {
		v.Rollout = *kept.Override
	}
	return v
}

func postRollout(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	var body rolloutChange
	if err := admin.Read(w, r, &body, "site, rollout (report, a percentage or enforce), reset and by"); err != nil {
		return err
	}
	if body.Reset == (body.Rollout != nil) {
		return admin.BadRequest(errors.New("say either rollout or reset"))
	}
	by, err := admin.Operator(body.By)
	if err != nil {
		return err
	}
	site, err := named(body.Site, siteParts.Of(app).rollouts(), "has a rollout", "rollout")
	if err != nil {
		return err
	}
	if body.Reset {
		err = site.book.Reset(r.Context(), site.name, site.configured, by)
	} else {
		err = site.book.Set(r.Context(), site.name, *body.Rollout, by)
	}
	if errors.Is(err, rollout.ErrText) || errors.Is(err, rollout.ErrFull) {
		return admin.BadRequest(err)
	}
	if err != nil {
		return err
	}
	app.Logger().Info("rollout changed", zap.String("site", site.name), zap.Stringer("rollout", site.share()), zap.String("by", by))
	return nil
}
