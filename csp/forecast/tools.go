package forecast

import (
	"cmp"
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Who is a gadget that asks for an origin.
type Who struct {
	Name     string   `json:"name"`
	Evidence Evidence `json:"evidence"`
	// Titles are the pages of its code that name the origin, where they are known.
	Titles []string `json:"titles,omitempty"`
}

// MayBeForged reports whether all that is known is what reports say, which anybody can send.
func (who Who) MayBeForged() bool { return who.Evidence == FromReports && who.Titles == nil }

// Label is the name for people.
func (who Who) Label() string {
	if who.MayBeForged() {
		return who.Name + " (may be forged)"
	}
	return who.Name
}

// maxPages is how many pages are named where no gadget is known.
const maxPages = 5

// tools sorts what would not be allowed into origins and the rest.
func (m *maker) tools(f *Forecast) {
	index := make(map[string]int)
	for _, use := range m.uses {
		if use.Verdict == csp.Allows {
			continue
		}
		if !isOrigin(use.Blocked) || use.Blocked == m.Page {
			f.Code = append(f.Code, use)
			continue
		}
		i, known := index[use.Blocked]
		if !known {
			i = len(f.Tools)
			index[use.Blocked] = i
			f.Tools = append(f.Tools, Tool{Origin: use.Blocked})
		}
		f.Tools[i].Uses = append(f.Tools[i].Uses, use)
		f.Tools[i].add(use.Total)
	}
	for i := range f.Tools {
		t := &f.Tools[i]
		t.share(m.Reports.PageViews)
		t.Gadgets, t.Pages = m.who(t.Origin)
		for _, c := range m.index.mentioning(t.Origin) {
			if !slices.Contains(t.Titles, c.Title) { // gadgets share pages
				t.Titles = append(t.Titles, c.Title)
			}
		}
		m.declared(t)
	}
	slices.SortStableFunc(f.Tools, func(a, b Tool) int {
		if a.inCode() != b.inCode() {
			if a.inCode() {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.Count, a.Count)
	})
	names := m.takenNames()
	for i := range f.Tools {
		m.draft(&f.Tools[i], names)
	}
}

// inCode reports whether the wiki's code names the origin: that can't be forged.
func (t *Tool) inCode() bool {
	return slices.ContainsFunc(t.Gadgets, func(who Who) bool { return len(who.Titles) > 0 })
}

// who finds the gadgets that ask for an origin. What browsers said counts; where
// they named several or none, or only a file that many share, so does the code.
func (m *maker) who(origin string) (gadgets []Who, pages []string) {
	naming := make(map[string][]string) // titles by gadget
	for _, c := range m.index.mentioning(origin) {
		naming[c.Gadget] = append(naming[c.Gadget], c.Title)
	}
	found := make(map[string]Evidence)
	unknown := false
	for _, g := range m.Reports.Groups {
		if g.Blocked != origin {
			continue
		}
		named := m.named(g, naming)
		unknown = unknown || len(named) == 0
		for _, name := range named {
			found[name] = FromReports
		}
		if len(named) == 0 && g.Page != "" && len(pages) < maxPages && !slices.Contains(pages, g.Page) {
			pages = append(pages, g.Page)
		}
	}
	if unknown || len(found) == 0 {
		for name := range naming {
			found[name] = cmp.Or(found[name], FromCode)
		}
	}
	for name, evidence := range found {
		gadgets = append(gadgets, Who{name, evidence, naming[name]})
	}
	slices.SortFunc(gadgets, func(a, b Who) int {
		return cmp.Or(strings.Compare(string(b.Evidence), string(a.Evidence)), strings.Compare(a.Name, b.Name))
	})
	if len(gadgets) > 0 {
		pages = nil
	}
	return gadgets, pages
}

// named returns the gadgets that a report names; several are narrowed to those whose
// code names the origin. A file such as load.php is no gadget if the code tells better.
func (m *maker) named(g reports.Group, naming map[string][]string) []string {
	if g.Gadget == "" || g.Gadget == "ext.gadget.*" {
		return nil
	}
	var names, narrowed []string
	for source := range strings.SplitSeq(g.Gadget, "|") {
		name := gadgetName(m.Code, source)
		names = append(names, name)
		if naming[name] != nil {
			narrowed = append(narrowed, name)
		}
	}
	switch {
	case len(names) > 1 && len(narrowed) > 0:
		return narrowed
	case strings.HasPrefix(names[0], "/") && (len(naming) > 0 || strings.HasSuffix(names[0], "/load.php")):
		return nil
	}
	return names
}

// gadgets adds up what would be hit of each gadget.
func (m *maker) gadgets(f *Forecast) {
	byName := make(map[string]*Gadget)
	add := func(name string, evidence Evidence, forged bool, t *Tool) {
		g := byName[name]
		if g == nil {
			g = &Gadget{Name: name, Evidence: evidence, MayBeForged: true}
			byName[name] = g
		}
		g.MayBeForged = g.MayBeForged && forged
		if evidence == FromReports {
			g.Evidence = evidence
		}
		g.Origins = append(g.Origins, t.Origin)
		for _, use := range t.Uses {
			if use.Kind != "" && !slices.Contains(g.Kinds, use.Kind) {
				g.Kinds = append(g.Kinds, use.Kind)
			}
		}
		g.add(t.Total)
	}
	for i := range f.Tools {
		t := &f.Tools[i]
		for _, who := range t.Gadgets {
			add(who.Name, who.Evidence, who.MayBeForged(), t)
		}
		if len(t.Gadgets) == 0 {
			add("", "", true, t)
		}
	}
	for _, g := range byName {
		g.share(m.Reports.PageViews)
		slices.Sort(g.Kinds)
		if g.Kinds == nil {
			g.Kinds = []noticeboard.Kind{}
		}
		f.Gadgets = append(f.Gadgets, *g)
	}
	slices.SortFunc(f.Gadgets, func(a, b Gadget) int {
		// What no gadget is known of comes last: anybody can report anything.
		if (a.Name == "") != (b.Name == "") {
			return cmp.Compare(len(b.Name), len(a.Name))
		}
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name))
	})
}
