package forecast

import (
	"fmt"
	"slices"

	"github.com/wikiveil/wikiveil/csp"
)

// notes are what the numbers don't say.
func (m *maker) notes(f *Forecast) []string {
	notes := []string{"Anybody can send reports: believe an origin that no code names only after a look."}
	r := m.Reports
	if r.PageViews == 0 {
		notes = append(notes, "No page views were counted, so shares are not known.")
	} else {
		notes = append(notes, "A share of page views is at most what it says, since one page can send several reports.")
	}
	if len(m.Code) == 0 {
		notes = append(notes, "The gadgets' code was not looked at. Chromium mostly does not name the gadget: give the wiki's API to find it.")
	}
	if r.Lost > 0 || r.LostOrigins > 0 {
		notes = append(notes, fmt.Sprintf("There were too many different reports to count each: what was reported up to %d times may be missing.", max(r.Lost, r.LostOrigins)))
	}
	if limited := sum(r.Limited); limited > 0 {
		notes = append(notes, fmt.Sprintf("%d reports were over the rate limit and not counted: numbers are too low.", limited))
	}
	if noise := sum(r.Noise); noise > 0 {
		notes = append(notes, fmt.Sprintf("%d reports were left out as noise, of extensions and the like.", noise))
	}
	if slices.ContainsFunc(m.uses, func(u Use) bool { return u.Verdict == csp.Depends }) {
		notes = append(notes, "Reports have no paths, nonces or hashes: where the policy looks at these, the verdict is \"depends\".")
	}
	if f.Changes != nil {
		notes = append(notes, "What today's policy allows is in no report: serve the proposed one as report_only to see what it blocks beyond.")
	}
	return notes
}

func sum[K comparable](counts map[K]uint64) (total uint64) {
	for _, n := range counts {
		total += n
	}
	return total
}
