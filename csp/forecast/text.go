package forecast

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// maxLines is how many lines each table of the text has; JSON has all.
const maxLines = 100

// WriteText writes the forecast for people.
func (f *Forecast) WriteText(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "What this policy would break on %s if it were enforced:\n\n    %s\n\n", f.Page, f.Policy)
	fmt.Fprintf(&b, "From %d reports and %d page views of %s to %s (UTC).\n", f.Reports, f.PageViews, day(f.From), day(f.To))
	f.writeGadgets(&b)
	f.writeTools(&b)
	writeUses(&b, "Blocked code, and what is the wiki's own", f.Code)
	if f.Changes != nil {
		f.writeChanges(&b)
	}
	if len(f.Notes) > 0 {
		heading(&b, "To bear in mind")
		for _, note := range f.Notes {
			fmt.Fprintf(&b, "- %s\n", note)
		}
	}
	_, err := b.WriteTo(w)
	return err
}

func (f *Forecast) writeGadgets(b *bytes.Buffer) {
	heading(b, "Gadgets that would break")
	table(b, "GADGET\tKNOWN BY\tKINDS\tREPORTS\tPAGE VIEWS\tFIRST\tLAST\tASKS FOR", len(f.Gadgets), func(i int) string {
		g := f.Gadgets[i]
		name := g.Name
		if name == "" {
			name = "(not known)"
		}
		origins := g.Origins
		more := ""
		if len(origins) > 5 {
			origins, more = origins[:5], fmt.Sprintf(" and %d more", len(g.Origins)-5)
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s%s%s", name, g.KnownBy(), join(g.Kinds), row(g.Total), strings.Join(origins, " "), more)
	})
}

// KnownBy is the evidence for people.
func (g *Gadget) KnownBy() string {
	if g.MayBeForged && g.Evidence == FromReports {
		return string(g.Evidence) + ", may be forged"
	}
	return string(g.Evidence)
}

func (f *Forecast) writeTools(b *bytes.Buffer) {
	heading(b, "What they ask for")
	table(b, "ORIGIN\tKINDS\tREPORTS\tPAGE VIEWS\tFIRST\tLAST\tDECLARED\tBY", len(f.Tools), func(i int) string {
		t := f.Tools[i]
		return fmt.Sprintf("%s\t%s\t%s%s\t%s", t.Origin, join(t.kinds()), row(t.Total), t.Standing(), names(t))
	})
	for _, t := range f.Tools[:min(len(f.Tools), maxLines)] {
		for _, obstacle := range t.Obstacles {
			fmt.Fprintf(b, "- %s: %s\n", t.Origin, obstacle)
		}
		if text := t.Instead(); text != "" {
			fmt.Fprintf(b, "- %s: %s\n", t.Origin, text)
		}
	}
	if drafts := f.Drafts(); len(drafts) > 0 {
		heading(b, "Drafts of declarations, to review (Caddyfile)")
		b.WriteString(Caddyfile(drafts))
	}
}

// Standing says in words how the noticeboard has the origin.
func (t *Tool) Standing() string {
	text := "no"
	switch t.Status {
	case Proxied:
		text = t.Declared + ", by proxy; the code still asks directly"
	case Consent:
		text = t.Declared + ", by consent: for readers who agreed"
	case Unusable:
		text = t.Declared + ", disabled or expired"
	}
	missing := texts(t.Missing)
	if t.NoStream && t.Declared != "" {
		missing = append(missing, "streams websocket")
	}
	if len(missing) > 0 {
		text += "; without " + strings.Join(missing, ", ")
	}
	return text
}

func names(t Tool) string {
	var list []string
	for _, who := range t.Gadgets {
		list = append(list, who.Label())
	}
	if list == nil && t.Pages != nil {
		return "(not known) on " + strings.Join(t.Pages, " ")
	}
	return strings.Join(list, ", ")
}

// Instead says how code has to change to ask the proxy; "" where that has nothing.
func (t *Tool) Instead() string {
	if len(t.Paths) == 0 {
		return ""
	}
	text := "in the code, write " + strings.Join(t.Paths, " or ") + " instead"
	if len(t.Titles) > 0 {
		text += ": " + strings.Join(t.Titles, ", ")
	}
	return text
}

func writeUses(b *bytes.Buffer, title string, uses []Use) {
	if len(uses) == 0 {
		return
	}
	heading(b, title)
	table(b, "DIRECTIVE\tWHAT\tREPORTS\tPAGE VIEWS\tFIRST\tLAST\tVERDICT", len(uses), func(i int) string {
		return fmt.Sprintf("%s\t%s\t%s%s", uses[i].Directive, uses[i].Blocked, row(uses[i].Total), verdict(uses[i].Verdict, uses[i].Why))
	})
}

func (f *Forecast) writeChanges(b *bytes.Buffer) {
	heading(b, "What the proposed policy changes")
	fmt.Fprintf(b, "    %s\n", f.Proposed)
	for _, part := range []struct {
		title   string
		changes []Change
	}{
		{"Newly blocked", f.Changes.NewlyBlocked}, {"Newly allowed", f.Changes.NewlyAllowed},
		{"Unclear", f.Changes.Unclear}, {"Unchanged", f.Changes.Unchanged},
	} {
		fmt.Fprintf(b, "\n%s: %d\n", part.title, len(part.changes))
		if len(part.changes) == 0 {
			continue
		}
		table(b, "DIRECTIVE\tWHAT\tREPORTS\tPAGE VIEWS\tFIRST\tLAST\tTODAY\tTHEN\tGADGETS", len(part.changes), func(i int) string {
			c := part.changes[i]
			return fmt.Sprintf("%s\t%s\t%s%s\t%s\t%s", c.Directive, c.Blocked, row(c.Total), c.Verdict, verdict(c.Then, c.ThenWhy), strings.Join(c.Gadgets, ", "))
		})
	}
	for _, d := range f.Changes.Dropped {
		fmt.Fprintf(b, "- no longer in %s, and what it allowed is in no report: %s\n", d.Directive, d.Source)
	}
}

func verdict(v csp.Verdict, why string) string {
	if why == "" {
		return string(v)
	}
	return string(v) + " (" + why + ")"
}

// heading begins a section.
func heading(b *bytes.Buffer, title string) {
	fmt.Fprintf(b, "\n%s\n%s\n", title, strings.Repeat("-", len(title)))
}

// table writes aligned columns.
func table(b *bytes.Buffer, head string, count int, line func(int) string) {
	if count == 0 {
		b.WriteString("None.\n")
		return
	}
	out := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, head)
	for i := range min(count, maxLines) {
		fmt.Fprintln(out, line(i))
	}
	_ = out.Flush() // a buffer takes all
	if count > maxLines {
		fmt.Fprintf(b, "… and %d more, in --json\n", count-maxLines)
	}
}

// row is a total's columns.
func row(t Total) string {
	return fmt.Sprintf("%s\t%s\t%s\t%s\t", t.Reported(), t.Percent(), day(t.First), day(t.Last))
}

// Reported is the count for people.
func (t Total) Reported() string {
	if t.Missed > 0 {
		return fmt.Sprintf("%d–%d", t.Count, t.Count+t.Missed)
	}
	return fmt.Sprint(t.Count)
}

// Percent is the share for people; "?" where it is not known.
func (t Total) Percent() string {
	switch {
	case t.Share == 0:
		return "?"
	case t.Share < 0.0005:
		return "< 0.1 %"
	}
	return fmt.Sprintf("%.1f %%", 100*t.Share)
}

func ofViews(t Total, views uint64) string {
	if views == 0 {
		return ""
	}
	return " (" + t.Percent() + " of page views)"
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// plain is a noticeboard's reason without the tool's name.
func plain(err error) string {
	if wrong, ok := errors.AsType[*noticeboard.Error](err); ok {
		return wrong.Reason
	}
	return err.Error()
}

func join(list []noticeboard.Kind) string { return strings.Join(texts(list), ", ") }
