package linkage

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Print writes a report as tables for people.
func (r *Report) Print(to io.Writer) error {
	w := bufio.NewWriter(to)
	fmt.Fprintf(w, "%d days from seed %d: %.0f views, %.0f edits, %d pages, %.0f requests by readers a day.\n",
		r.Days, r.Seed, r.World.Views, r.World.Edits, r.World.Pages, r.Rows[0].Asked)
	fmt.Fprint(w, `
For each edit the adversary, who is the tool's owner, names the request that seems to be the editor's. How many of
100 are right, with the 95 % interval over the days:
  pages   by the times, and by the URLs, which say what page a request is about
  other   of what else the editor read or looked up, which the history doesn't tell
  times   by the times alone
  sure    pages, but the adversary may be silent: for how many edits of 100 a guess can be right 9 times of 10
  chance  a request is drawn blindly from those around the edit
`)
	fmt.Fprintf(w, "\n%-43s %17s %17s %17s %6s %7s\n", "measures", "pages", "other", "times", "sure", "chance")
	for _, row := range r.Rows {
		p := row.Precision
		fmt.Fprintf(w, "%-43s %17s %17s %17s %6.1f %7.2f\n", row.Name, p.Pages.percent(), p.OtherPages.percent(), p.Times.percent(),
			100*row.Sure.Speaks, 100*row.Chance)
	}
	fmt.Fprintf(w, "\nAll over none: pages %s, other %s, times %s.\n", percents(r.Ratio.Pages), percents(r.Ratio.OtherPages), percents(r.Ratio.Times))

	fmt.Fprint(w, `
What it costs: requests a day at the tool, and what the cache answers:
`)
	fmt.Fprintf(w, "\n%-43s %8s %10s %8s\n", "measures", "sent", "refreshes", "hits")
	for _, row := range r.Rows {
		fmt.Fprintf(w, "%-43s %8.0f %10.0f %7.1f%%\n", row.Name, row.Sent, row.Refreshed, 100*row.Hits)
	}
	if len(r.Scenarios) > 0 {
		fmt.Fprintf(w, "\nOther worlds, over fewer days: none → all, and their ratio in percent.\n\n%-43s %-31s %-31s %-13s %9s\n",
			"world", "pages", "other", "times", "refreshes")
	}
	for _, s := range r.Scenarios {
		none, all := s.None.Precision, s.All.Precision
		fmt.Fprintf(w, "%-43s %-31s %-31s %-13s %9.0f\n", s.Name,
			arrow(none.Pages, all.Pages, s.Ratio.Pages), arrow(none.OtherPages, all.OtherPages, s.Ratio.OtherPages),
			fmt.Sprintf("%.1f → %.1f", 100*none.Times.Mean, 100*all.Times.Mean), s.All.Refreshed)
	}
	return w.Flush()
}

func (e Estimate) percent() string {
	return fmt.Sprintf("%.1f (%.1f-%.1f)", 100*e.Mean, 100*e.Low, 100*e.High)
}

func percents(e *Estimate) string {
	if e == nil {
		return "–"
	}
	return strings.Replace(e.percent(), " (", " % (", 1)
}

func arrow(from, to Estimate, r *Estimate) string {
	return fmt.Sprintf("%.1f → %.1f: %s", 100*from.Mean, 100*to.Mean, strings.Replace(percents(r), " %", "", 1))
}
