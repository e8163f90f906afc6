package policy

import (
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/csp/rollout"
	"github.com/wikiveil/wikiveil/internal/page"
)

var (
	//go:embed rolloutpage.html
	rolloutPageHTML string

	rolloutPage = page.Must(rolloutPageHTML, template.FuncMap{
		"minute": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
	})
)

// rolloutDays is how far back the page looks.
const rolloutDays = 14

// rolloutPageView is what the template sees.
type rolloutPageView struct {
	page.Frame
	Sites []rolloutSiteView
}

type rolloutSiteView struct {
	View    rolloutView
	From    time.Time
	Error   string
	Plot    *rolloutPlot // nil: no reports are collected
	Effects []stepEffect
}

// stepEffect is what was counted while a step held.
type stepEffect struct {
	Step               rollout.Step
	Counted            bool
	Enforced, Reported groupEffect
	Untold             uint64 // reports that don't say of which
}

// groupEffect is what was counted of the clients that the policy is enforced for, or of the others.
type groupEffect struct{ Views, Reports uint64 }

// PerThousand is how many reports came on a thousand page views.
func (g groupEffect) PerThousand() string {
	if g.Views == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", 1000*float64(g.Reports)/float64(g.Views))
}

// hourCounts is what was counted in an hour.
type hourCounts struct {
	enforced, reported groupEffect
	untold             uint64
}

func serveRolloutPage(w http.ResponseWriter, r *http.Request, app *edge.App) error {
	nonce := rand.Text()
	view := rolloutPageView{Frame: page.Frame{Title: "Rollout of the third-party policy", Nonce: nonce}}
	now := time.Now().UTC()
	for _, site := range siteParts.Of(app).rollouts() {
		view.Sites = append(view.Sites, site.pageView(r.Context(), now))
	}
	page.Protect(w.Header(), page.Policy(page.Nonce(nonce), ""))
	return page.Write(w, http.StatusOK, rolloutPage, view)
}

func (s *cspSite) pageView(ctx context.Context, now time.Time) rolloutSiteView {
	v := rolloutSiteView{View: s.view(), From: now.AddDate(0, 0, -rolloutDays).Truncate(time.Hour)}
	steps := stepsSince(v.View.Steps, v.From)
	if s.collector == nil {
		v.Error = "The site collects no reports: add `reports` to its csp directive to see what each step does."
		v.Effects = effectsOf(steps, nil, v.From)
		return v
	}
	snapshot, err := s.collector.Snapshot(ctx, v.From, now)
	if err != nil {
		v.Error = "The reports can't be read: " + err.Error()
		v.Effects = effectsOf(steps, nil, v.From)
		return v
	}
	hours := countHours(snapshot, v.From, now)
	v.Effects = effectsOf(steps, hours, v.From)
	v.Plot = plotRollout(hours, steps, v.From)
	return v
}

// stepsSince returns the step that held at a time, and those after it.
func stepsSince(steps []rollout.Step, from time.Time) []rollout.Step {
	first := 0
	for i, step := range steps {
		if !step.Time.After(from) {
			first = i
		}
	}
	return steps[first:]
}

// countHours returns the counts of each hour from one time to another.
func countHours(s *reports.Snapshot, from, to time.Time) []hourCounts {
	hours := make([]hourCounts, int(to.Sub(from)/time.Hour)+1)
	at := func(t time.Time) *hourCounts {
		if i := int(t.Sub(from) / time.Hour); !t.Before(from) && i < len(hours) {
			return &hours[i]
		}
		return new(hourCounts) // outside
	}
	for t, n := range s.Hours() {
		at(t).untold += n
	}
	for _, group := range s.Origins {
		for t, n := range group.Hours() {
			h := at(t)
			switch group.Disposition {
			case reports.Enforced:
				h.enforced.Reports += n
			case reports.ReportOnly:
				h.reported.Reports += n
			default:
				continue
			}
			h.untold -= min(n, h.untold)
		}
	}
	for t, n := range s.ViewHours() {
		at(t).reported.Views += n
	}
	for t, n := range s.EnforcedViewHours() {
		h := at(t)
		h.enforced.Views += n
		h.reported.Views -= min(n, h.reported.Views)
	}
	return hours
}

// effectsOf adds up the hours of each step. With nil hours nothing was counted.
func effectsOf(steps []rollout.Step, hours []hourCounts, from time.Time) []stepEffect {
	effects := make([]stepEffect, len(steps))
	for i, step := range steps {
		effects[i] = stepEffect{Step: step, Counted: hours != nil}
	}
	if len(steps) == 0 {
		return nil
	}
	step := 0
	for i, h := range hours {
		end := from.Add(time.Duration(i+1) * time.Hour)
		if !steps[0].Time.Before(end) {
			continue // before there was a rollout
		}
		for step+1 < len(steps) && steps[step+1].Time.Before(end) {
			step++
		}
		e := &effects[step]
		e.Enforced.Views += h.enforced.Views
		e.Enforced.Reports += h.enforced.Reports
		e.Reported.Views += h.reported.Views
		e.Reported.Reports += h.reported.Reports
		e.Untold += h.untold
	}
	return effects
}
