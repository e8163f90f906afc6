package forecast

import (
	"cmp"
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// maker makes one forecast.
type maker struct {
	Input
	uses  []Use // of all that was reported, also what the policy allows
	index index
}

// kinds are what declarations call the directives.
var kinds = map[string]noticeboard.Kind{
	"img-src": noticeboard.Img, "font-src": noticeboard.Font, "media-src": noticeboard.Media, "connect-src": noticeboard.Data,
	"style-src": noticeboard.Style, "style-src-elem": noticeboard.Style,
	"script-src": noticeboard.Script, "script-src-elem": noticeboard.Script,
}

// judged adds up the reports by directive and what was blocked, with the policy's verdict.
func judged(in Input) []Use {
	type key struct{ directive, blocked string }
	byDisposition := make(map[key]map[reports.Disposition]Total)
	for _, g := range in.Reports.Origins {
		k := key{g.Directive, g.Blocked}
		if byDisposition[k] == nil {
			byDisposition[k] = make(map[reports.Disposition]Total)
		}
		t := byDisposition[k][g.Disposition]
		t.add(Total{Count: g.Count, Missed: g.Missed, First: g.First, Last: g.Last})
		byDisposition[k][g.Disposition] = t
	}
	uses := make([]Use, 0, len(byDisposition))
	for k, totals := range byDisposition {
		use := Use{Directive: k.directive, Blocked: k.blocked, Total: combined(totals)}
		if isOrigin(k.blocked) {
			use.Kind = kinds[k.directive]
		}
		use.share(in.Reports.PageViews)
		use.Verdict, use.Why = in.Policy.Judge(k.directive, k.blocked, in.Page)
		uses = append(uses, use)
	}
	slices.SortFunc(uses, func(a, b Use) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Blocked, b.Blocked), strings.Compare(a.Directive, b.Directive))
	})
	return uses
}

// combined adds up what browsers said of each disposition. With two policies one load is
// reported by both, so the greater count is taken; browsers that don't say come on top.
func combined(totals map[reports.Disposition]Total) (sum Total) {
	sum = totals[reports.NotSaid]
	said := totals[reports.ReportOnly]
	if said.Count < totals[reports.Enforced].Count {
		said = totals[reports.Enforced]
	}
	for _, t := range totals { // for the times
		t.Count, t.Missed = 0, 0
		sum.add(t)
	}
	sum.Count += said.Count
	sum.Missed += said.Missed
	return sum
}

// isOrigin tells origins from words such as "inline".
func isOrigin(blocked string) bool { return strings.Contains(blocked, "://") }
