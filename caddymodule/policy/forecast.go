package policy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/csp/forecast"
	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// sitePolicies are what a forecast has to know of a site's directive.
type sitePolicies struct {
	// origin is the wiki's, "" where the config does not tell.
	origin string
	mode   string
	// policy is the site's, trial the one of report_only or "".
	policy, trial string
}

// sitePolicies returns the policies of a directive that was compiled.
func (c *CSP) sitePolicies() sitePolicies {
	p := sitePolicies{mode: cmp.Or(c.Rollout, c.Mode, cspEnforce)}
	if policy, err := c.CSPPolicy.build(); err == nil {
		p.policy = policy.String()
	}
	if c.ReportOnly != nil {
		if trial, err := c.ReportOnly.build(); err == nil {
			p.trial = trial.String()
		}
	}
	if c.Reports != nil && len(c.Reports.Origins) > 0 {
		p.origin = c.Reports.Origins[0]
	} else if u, err := url.Parse("https://" + c.Site); err == nil && u.Hostname() != "" && u.Path == "" && strings.Contains(u.Hostname(), ".") {
		p.origin = "https://" + u.Host
	}
	return p
}

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

// siteReports returns what a site collected. The name may be left out where there is only
// one site that collects.
func (s *cspSites) siteReports(ctx context.Context, name string, first, last time.Time) (*siteReports, error) {
	collectors := s.collectors()
	names := slices.Sorted(maps.Keys(collectors))
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	collector := collectors[name]
	if collector == nil {
		var err error
		switch {
		case len(names) == 0:
			err = errors.New("no site collects reports: add `reports` to its csp directive")
		case name == "":
			err = fmt.Errorf("say which site: %s", strings.Join(names, ", "))
		default:
			err = fmt.Errorf("no site %q collects reports, there is: %s", name, strings.Join(names, ", "))
		}
		return nil, caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
	}
	snapshot, err := collector.Snapshot(ctx, first, last)
	if err != nil {
		return nil, err
	}
	policies := s.policies(name)
	answer := &siteReports{
		Site: name, Origin: policies.origin, Mode: policies.mode, Policy: policies.policy, Trial: policies.trial,
		Tools: declaredTools(s.app.Noticeboard()), Reports: snapshot,
	}
	return answer, nil
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

func (s *cspSites) policies(name string) sitePolicies {
	s.mu.Lock()
	defer s.mu.Unlock()
	if site := s.sites[name]; site != nil {
		return site.policies
	}
	return sitePolicies{}
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
