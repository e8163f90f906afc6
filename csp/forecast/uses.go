package forecast

import (
	"cmp"
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// maker makes one forecast.
type maker struct {
	Input
	uses  []Use // of all that was reported, also what the policy allows
	index index

	drafted map[string]*Draft // of new tools by the proxy, by origin
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
			use.Kind = noticeboard.KindOf(k.directive)
		}
		use.share(in.Reports.PageViews)
		use.Verdict, use.Why = judge(in.Policy, k.directive, k.blocked, in.Page)
		uses = append(uses, use)
	}
	slices.SortFunc(uses, func(a, b Use) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Blocked, b.Blocked), strings.Compare(a.Directive, b.Directive))
	})
	return uses
}

// redirected is why the wiki's own origin is reported where the policy allows it.
const redirected = "the policy allows the wiki's own origin, so what was asked for there led to another one by a redirect, which browsers don't name; " +
	"or the report is of another policy"

// judge is the verdict of a policy on what was reported. Browsers report where a request or a form
// began, not where its redirect led: the wiki's own origin under 'self' stands for another.
func judge(policy csp.Policy, directive, blocked, page string) (csp.Verdict, string) {
	verdict, why := policy.Judge(directive, blocked, page)
	if verdict == csp.Allows && blocked == page {
		return csp.Depends, redirected
	}
	return verdict, why
}

// httpOrigin is the origin that a tool of this one is declared by: that of its handshake.
func httpOrigin(origin string) string {
	if rest, ok := strings.CutPrefix(origin, "ws"); ok && (strings.HasPrefix(rest, "://") || strings.HasPrefix(rest, "s://")) {
		return "http" + rest
	}
	return origin
}

// isStream reports whether an origin is that of a websocket.
func isStream(origin string) bool { return httpOrigin(origin) != origin }

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
