package forecast

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Input is what a forecast is made from. Reports, Page and Policy are needed.
type Input struct {
	// Reports is what was collected.
	Reports *reports.Snapshot
	// Page is the wiki's origin, such as "https://wiki.example".
	Page string
	// Policy is what is to be enforced: the policy on trial, or the one in force.
	Policy csp.Policy
	// Proposed, if not nil, is compared with Policy.
	Proposed *csp.Policy
	// Tools are those of a [noticeboard.Board].
	Tools []*noticeboard.Tool
	// Code is what gadgets consist of; see [MediaWikiGadgets].
	Code []Code
	// Loopback has tools on loopback addresses drafted, with the option that is for
	// tests only.
	Loopback bool
	// Now is the time by which tools expire; zero means the present.
	Now time.Time
}

// Forecast is what would break, the most reported first.
type Forecast struct {
	// From and To are the days that the reports are of.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Page string    `json:"page"`
	// Policy is what was asked about, Proposed what it was compared with, if anything.
	Policy   string `json:"policy"`
	Proposed string `json:"proposed,omitempty"`
	// Reports and PageViews are how many were counted; no page views means unknown.
	Reports   uint64 `json:"reports"`
	PageViews uint64 `json:"page_views"`

	Gadgets []Gadget `json:"gadgets"`
	// Tools begin with those that the wiki's code names.
	Tools []Tool `json:"tools"`
	// Code is what was blocked that no tool has to do with: inline code, eval, data: URLs,
	// and what is the wiki's own.
	Code    []Use    `json:"code"`
	Changes *Changes `json:"changes,omitempty"`
	// Notes are what to bear in mind.
	Notes []string `json:"notes"`
}

// Gadget is code of the wiki that would be hit.
type Gadget struct {
	// Name is the gadget's, or a page's, script's or load.php module's; "" is for what no
	// gadget is known of.
	Name string `json:"name"`
	// Evidence is the best there is for any of the origins.
	Evidence Evidence `json:"evidence,omitempty"`
	// MayBeForged is set where its code names none of the origins, or was not looked at.
	MayBeForged bool `json:"may_be_forged,omitempty"`
	// Origins are what it asks for.
	Origins []string           `json:"origins"`
	Kinds   []noticeboard.Kind `json:"kinds"`
	Total
}

// Tool is an origin that is asked for and would be blocked.
type Tool struct {
	Origin  string `json:"origin"`
	Uses    []Use  `json:"uses"`
	Gadgets []Who  `json:"gadgets"`
	// Pages are some of those where it was seen, given where no gadget is known.
	Pages []string `json:"pages,omitempty"`
	Total
	// Status tells about Declared, the tool that has this origin.
	Status   Status `json:"status"`
	Declared string `json:"declared,omitempty"`
	// Missing are kinds that the declaration doesn't have.
	Missing []noticeboard.Kind `json:"missing,omitempty"`
	// NoStream is set where a websocket is asked for, and none is declared.
	NoStream bool     `json:"no_stream,omitempty"`
	Drafts   []*Draft `json:"drafts,omitempty"`
	// Paths are what to write in place of the origin, to reach what is declared or drafted
	// for the proxy; Titles are the pages of code that name it.
	Paths  []string `json:"paths,omitempty"`
	Titles []string `json:"titles,omitempty"`
	// Obstacles are why a declaration would not be enough.
	Obstacles []string `json:"obstacles,omitempty"`

	mirrored bool // a mirror is declared that has its style sheets and fonts
}

// Status is what the noticeboard says of an origin.
type Status string

// Statuses.
const (
	Undeclared Status = "undeclared"
	// Proxied tools are reached through the wiki; a gadget that still asks the origin
	// has to be changed.
	Proxied Status = "proxied"
	// Consent tools are loaded for readers who have consented.
	Consent Status = "consent"
	// Unusable tools are disabled or have expired.
	Unusable Status = "unusable"
)

// Use is one directive's reports.
type Use struct {
	Directive string `json:"directive"`
	// Blocked is an origin or a word such as "inline".
	Blocked string `json:"blocked"`
	// Kind is what a declaration calls it; "" is what none can allow.
	Kind    noticeboard.Kind `json:"kind,omitempty"`
	Verdict csp.Verdict      `json:"verdict"`
	// Why tells what the verdict depends on.
	Why string `json:"why,omitempty"`
	Total
}

// Total is how often.
type Total struct {
	// Count is how many reports came at least; Missed is how many more at most.
	Count  uint64 `json:"count"`
	Missed uint64 `json:"missed,omitempty"`
	// Share is reports for each page view, at most 1; 0 is unknown.
	Share float64   `json:"share,omitempty"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

func (t *Total) add(o Total) {
	t.Count += o.Count
	t.Missed += o.Missed
	if t.First.IsZero() || o.First.Before(t.First) {
		t.First = o.First
	}
	if o.Last.After(t.Last) {
		t.Last = o.Last
	}
}

func (t *Total) share(views uint64) {
	if views > 0 {
		t.Share = min(1, float64(t.Count)/float64(views))
	}
}

// New makes a forecast.
func New(in Input) (*Forecast, error) {
	if in.Reports == nil {
		return nil, errors.New("making a forecast: it has no reports")
	}
	if u, err := url.Parse(in.Page); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("making a forecast: the wiki's origin %q is none such as https://wiki.example", in.Page)
	}
	in.Page = strings.ToLower(strings.TrimSuffix(in.Page, "/"))
	if in.Now.IsZero() {
		in.Now = time.Now()
	}
	m := &maker{Input: in, uses: judged(in), index: newIndex(in.Code), drafted: make(map[string]*Draft)}
	f := &Forecast{
		From: in.Reports.First, To: in.Reports.Last, Page: in.Page, Policy: in.Policy.String(),
		Reports: in.Reports.Accepted, PageViews: in.Reports.PageViews,
		Gadgets: []Gadget{}, Tools: []Tool{}, Code: []Use{},
	}
	m.tools(f)
	m.gadgets(f)
	if in.Proposed != nil {
		f.Proposed = in.Proposed.String()
		f.Changes = m.changes()
	}
	f.Notes = m.notes(f)
	return f, nil
}
