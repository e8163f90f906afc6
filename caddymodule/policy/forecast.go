package policy

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/csp/forecast"
	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// siteReports is the admin API's response about what a site collected.
type siteReports struct {
	Site string `json:"site"`
	// Origin is the wiki's, as far as the config tells.
	Origin string `json:"origin,omitempty"`
	// Mode is what browsers do about Policy: "enforce", "report", or a rollout's share.
	Mode   string `json:"mode"`
	Policy string `json:"policy"`
	// Trial is the policy of report_only.
	Trial string              `json:"trial,omitempty"`
	Tools []*noticeboard.Tool `json:"tools"`
	// Reports is what was counted on the days asked for, in UTC.
	Reports *reports.Snapshot `json:"reports"`
}

// about is what the admin API says of the site of a directive that was compiled, but for what changes.
func (c *CSP) about() siteReports {
	about := siteReports{Site: c.Site, Mode: cmp.Or(c.Rollout, c.Mode, cspEnforce)}
	if policy, err := c.CSPPolicy.build(); err == nil {
		about.Policy = policy.String()
	}
	if c.ReportOnly != nil {
		if trial, err := c.ReportOnly.build(); err == nil {
			about.Trial = trial.String()
		}
	}
	if c.Reports != nil && len(c.Reports.Origins) > 0 {
		about.Origin = c.Reports.Origins[0]
	} else if u, err := url.Parse("https://" + c.Site); err == nil && u.Hostname() != "" && u.Path == "" && strings.Contains(u.Hostname(), ".") {
		about.Origin = "https://" + u.Host
	}
	return about
}

// siteReports returns what a site collected.
func (s *cspSites) siteReports(ctx context.Context, name string, first, last time.Time) (*siteReports, error) {
	site, err := named(name, s.collecting(), "collects reports", "reports")
	if err != nil {
		return nil, err
	}
	answer := site.about
	answer.Tools = declaredTools(s.app.Noticeboard())
	answer.Reports, err = site.collector.Snapshot(ctx, first, last)
	return &answer, err
}

// declaredTools are those of the noticeboard. One that readers can't reach now counts as disabled, whatever it is
// that stops it: a forecast must not draft its origin anew.
func declaredTools(board *edge.Noticeboard) []*noticeboard.Tool {
	tools := []*noticeboard.Tool{}
	for tool := range board.Board().All() {
		_, byProxy := board.ForProxy(tool.Name, "/")
		_, byConsent := board.ForConsent(tool.Name)
		if byProxy != nil && byConsent != nil {
			stopped := *tool
			stopped.Disabled = true
			tool = &stopped
		}
		tools = append(tools, tool)
	}
	return tools
}

// errNoSiteOrigin is why a forecast can't be made of a site whose name is no host.
var errNoSiteOrigin = errors.New("the config does not tell the wiki's origin: set `origins` in the reports of its csp directive")

// forecastOf makes a forecast. With a proposed policy it compares that with the site's;
// else it is about the one on trial, or the site's.
func (s *siteReports) forecastOf(proposed string, code []forecast.Code, loopback bool) (*forecast.Forecast, error) {
	if s.Origin == "" {
		return nil, errNoSiteOrigin
	}
	in := forecast.Input{Reports: s.Reports, Page: s.Origin, Tools: s.Tools, Code: code, Loopback: loopback}
	text := s.Policy
	if proposed != "" {
		policy, err := forecast.ParsePolicy(proposed)
		if err != nil {
			return nil, err
		}
		in.Proposed = &policy
	} else {
		text = cmp.Or(s.Trial, s.Policy)
	}
	var err error
	if in.Policy, err = forecast.ParsePolicy(text); err != nil {
		return nil, err
	}
	return forecast.New(in)
}
