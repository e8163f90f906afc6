package policy

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/csp/rollout"
)

// rolloutPlot is what a site's SVG shows: above reports an hour, below page views.
type rolloutPlot struct {
	Width, Height                                 int
	Enforce, Report, Untold, Views, ViewsEnforced string // the paths of lines and areas
	Grid, Days, Steps, Legend                     []plotMark
}

// plotMark is a text in the plot and what goes with it.
type plotMark struct {
	X, Y         string
	X1, X2, Y2   string
	Text         string
	Class, Shape string
	DX, Anchor   string
}

// The plot's measures.
const (
	plotWidth, plotHeight   = 860, 330
	plotLeft, plotRight     = 52, 850
	reportsTop, reportsBase = 44, 200
	viewsTop, viewsBase     = 222, 300
	labelWidth              = 50
)

// plotScale places hours and counts.
type plotScale struct {
	from  time.Time
	hours int
}

func (s plotScale) x(t time.Time) float64 {
	return plotLeft + (plotRight-plotLeft)*min(1, max(0, t.Sub(s.from).Hours()/float64(s.hours)))
}

func (s plotScale) hour(i int) float64 { return s.x(s.from.Add(time.Duration(i) * time.Hour)) }

func plotRollout(hours []hourCounts, steps []rollout.Step, from time.Time) *rolloutPlot {
	s := plotScale{from, len(hours)}
	counts := func(of func(hourCounts) uint64) []uint64 {
		all := make([]uint64, len(hours))
		for i, h := range hours {
			all[i] = of(h)
		}
		return all
	}
	enforced := counts(func(h hourCounts) uint64 { return h.enforced.Reports })
	reported := counts(func(h hourCounts) uint64 { return h.reported.Reports })
	untold := counts(func(h hourCounts) uint64 { return h.untold })
	views := counts(func(h hourCounts) uint64 { return h.enforced.Views + h.reported.Views })
	viewsEnforced := counts(func(h hourCounts) uint64 { return h.enforced.Views })
	mostReports, mostViews := niceMost(enforced, reported, untold), niceMost(views)
	p := &rolloutPlot{
		Width: plotWidth, Height: plotHeight,
		Enforce: s.line(enforced, mostReports, reportsTop, reportsBase), Report: s.line(reported, mostReports, reportsTop, reportsBase),
		Untold: s.line(untold, mostReports, reportsTop, reportsBase),
		Views:  s.area(views, mostViews), ViewsEnforced: s.area(viewsEnforced, mostViews),
	}
	p.grid(mostReports, reportsTop, reportsBase)
	p.grid(mostViews, viewsTop, viewsBase)
	p.mark(s, steps)
	p.days(s)
	for i, class := range []struct{ name, text, shape string }{
		{"enforce", "reports, enforced", "h20"}, {"report", "reports, report only", "h20"}, {"untold", "reports that don’t say", "h20"},
		{"views", "page views", "m0 4h20v-8h-20z"}, {"views-enforced", "of them enforced", "m0 4h20v-8h-20z"},
	} {
		p.Legend = append(p.Legend, plotMark{X: number(plotLeft + float64(i)*162), Y: "12", Class: class.name, Text: class.text, Shape: class.shape})
	}
	return p
}

// number writes a coordinate.
func number(f float64) string { return fmt.Sprintf("%.1f", f) }

// niceMost is the top of a scale: 1, 2 or 5 times a power of ten, even if nothing was counted.
func niceMost(all ...[]uint64) float64 {
	most := 4.0
	for _, counts := range all {
		for _, n := range counts {
			most = max(most, float64(n))
		}
	}
	power := math.Pow(10, math.Floor(math.Log10(most)))
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= most {
			return factor * power
		}
	}
	return 10 * power
}

func height(n uint64, most float64, top, base float64) float64 {
	return base - (base-top)*float64(n)/most
}

// line draws a level for each hour; hours at zero alone draw nothing.
func (s plotScale) line(counts []uint64, most, top, base float64) string {
	var b strings.Builder
	drawing := false
	for i, n := range counts {
		around := n > 0 || i > 0 && counts[i-1] > 0 || i+1 < len(counts) && counts[i+1] > 0
		if !around {
			drawing = false
			continue
		}
		command := "L"
		if !drawing {
			command, drawing = "M", true
		}
		fmt.Fprintf(&b, "%s%s %sH%s", command, number(s.hour(i)), number(height(n, most, top, base)), number(s.hour(i+1)))
	}
	return b.String()
}

func (s plotScale) area(counts []uint64, most float64) string {
	var b strings.Builder
	for i, n := range counts {
		if n > 0 {
			fmt.Fprintf(&b, "M%s %dV%sH%sV%dz", number(s.hour(i)), viewsBase, number(height(n, most, viewsTop, viewsBase)), number(s.hour(i+1)), viewsBase)
		}
	}
	return b.String()
}

func (p *rolloutPlot) grid(most, top, base float64) {
	for _, part := range []float64{0, 0.5, 1} {
		p.Grid = append(p.Grid, plotMark{
			X: number(plotLeft - 6), X1: number(plotLeft), X2: number(plotRight), Y: number(base - (base-top)*part),
			Text: fmt.Sprintf("%g", most*part),
		})
	}
}

// mark draws the steps. Of labels that would overlap, the last stays.
func (p *rolloutPlot) mark(s plotScale, steps []rollout.Step) {
	before := math.Inf(-1)
	for i, step := range steps {
		x := s.x(step.Time)
		if x-before < labelWidth {
			p.Steps[i-1].Text = ""
		}
		before = x
		m := plotMark{X: number(x), Y: number(reportsTop - 6), Y2: number(viewsBase), Text: step.Share.String(), DX: "3", Anchor: "start"}
		if x > plotRight-labelWidth {
			m.DX, m.Anchor = "-3", "end"
		}
		p.Steps = append(p.Steps, m)
	}
}

// days writes every second day below.
func (p *rolloutPlot) days(s plotScale) {
	for t := s.from.Truncate(day).Add(day); s.x(t) < plotRight-20; t = t.Add(2 * day) {
		p.Days = append(p.Days, plotMark{X: number(s.x(t)), Y: number(viewsBase + 18), Text: t.Format("2 Jan")})
	}
}
