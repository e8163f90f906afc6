package forecast

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// maxDrafts bounds what forged reports can have written.
const maxDrafts = 200

// FillIn begins each text of a draft that a person has to write.
const FillIn = "FILL IN: "

// Draft is a declaration to review.
type Draft struct {
	// Tool is the declaration, with texts that begin with [FillIn].
	Tool *noticeboard.Tool `json:"tool"`
	// Amends is set where the tool is declared already and the draft only adds kinds.
	Amends bool `json:"amends,omitempty"`
	// Fill are the fields that a person has to fill in.
	Fill []string `json:"fill,omitempty"`
	// Basis is what the draft comes from, and what to look at in the review.
	Basis []string `json:"basis"`
}

// declared finds the tool that has an origin.
func (m *maker) declared(t *Tool) {
	t.Status = Undeclared
	origin := httpOrigin(t.Origin)
	for _, tool := range m.Tools {
		if !slices.Contains(tool.Origins(), origin) || isStream(t.Origin) && !tool.Proxied() {
			continue
		}
		own := tool.Origin == origin
		status := Consent
		switch {
		case !tool.Consentable() && !(tool.Proxied() && own):
			continue // only its redirects lead there
		case tool.Usable(m.Now) != nil:
			status = Unusable
		case tool.Proxied() && own:
			status = Proxied
		}
		if t.Declared != "" && t.Status != Unusable && status != Proxied {
			continue
		}
		t.Status, t.Declared, t.Missing = status, tool.Name, nil
		t.NoStream = isStream(t.Origin) && !tool.Opens(noticeboard.WebSocket)
		for _, kind := range t.kinds() {
			if !tool.Has(kind) {
				t.Missing = append(t.Missing, kind)
			}
		}
	}
}

// kinds returns the kinds that were asked for, in order.
func (t *Tool) kinds() []noticeboard.Kind {
	var list []noticeboard.Kind
	for _, use := range t.Uses {
		if use.Kind != "" && !slices.Contains(list, use.Kind) {
			list = append(list, use.Kind)
		}
	}
	slices.Sort(list)
	return list
}

// takenNames are those of declared tools.
func (m *maker) takenNames() map[string]bool {
	taken := make(map[string]bool)
	for _, tool := range m.Tools {
		taken[tool.Name] = true
	}
	return taken
}

// draft writes the smallest declarations that let through what was asked for, and how
// the code has to change.
func (m *maker) draft(t *Tool, names map[string]bool) {
	for _, use := range t.Uses {
		if use.Kind == "" {
			t.Obstacles = append(t.Obstacles, fmt.Sprintf("%s can't be declared: no tool may have it", use.Directive))
		}
	}
	wanted := t.kinds()
	name, status := t.Declared, t.Status
	switch {
	case status == Unusable:
		t.Obstacles = append(t.Obstacles, fmt.Sprintf("the tool %s is disabled or has expired", name))
		return
	case status != Undeclared:
		wanted = t.Missing
	}
	if script := slices.Index(wanted, noticeboard.Script); script >= 0 {
		wanted = slices.Delete(slices.Clone(wanted), script, script+1)
		m.draftScript(t, names)
	}
	switch {
	case len(wanted) == 0 && !t.NoStream:
	case status == Undeclared:
		name = m.draftNew(t, wanted, names)
		status = Proxied
	default:
		m.amend(t, wanted)
	}
	if status == Proxied && name != "" {
		t.Rewrite = &Rewrite{Origin: httpOrigin(t.Origin), Path: m.ToolPath + name}
		t.Rewrite.places(m.index.mentioning(t.Origin))
	}
}

// draftNew drafts a tool by the proxy, which shows it nothing of readers, and returns
// its name.
func (m *maker) draftNew(t *Tool, kinds []noticeboard.Kind, names map[string]bool) string {
	tool := m.newTool(t, "", names)
	if tool == nil {
		return ""
	}
	if d := m.drafted[tool.Origin]; d != nil { // the same host by another scheme
		d.add(kinds, t)
		d.Basis = append(d.Basis, t.basis(m.Reports.PageViews)...)
		return d.Tool.Name
	}
	tool.Access = noticeboard.ByProxy
	d := m.finish(t, tool)
	d.add(kinds, t)
	d.Fill = []string{"purpose", "sends", "personal", "retention", "contact", "source", "privacy", "reviewer", "reviewed"}
	if err := tool.Validate(); err != nil {
		t.Obstacles = append(t.Obstacles, "can't be declared: "+plain(err))
		return ""
	}
	names[tool.Name], m.drafted[tool.Origin] = true, d
	t.Drafts = append(t.Drafts, d)
	return tool.Name
}

// add declares more kinds, and the stream of a websocket's origin.
func (d *Draft) add(more []noticeboard.Kind, t *Tool) {
	d.Tool.Kinds = append(slices.Clone(d.Tool.Kinds), more...)
	slices.Sort(d.Tool.Kinds)
	d.Tool.Kinds = slices.Compact(d.Tool.Kinds)
	if isStream(t.Origin) && !d.Tool.Opens(noticeboard.WebSocket) {
		d.Tool.Streams = append(slices.Clone(d.Tool.Streams), noticeboard.WebSocket)
	}
}

// draftScript drafts what an operator has to decide: it is refused until he has.
func (m *maker) draftScript(t *Tool, names map[string]bool) {
	tool := m.newTool(t, "-script", names)
	if tool == nil {
		return
	}
	tool.Kinds = []noticeboard.Kind{noticeboard.Script}
	tool.Access = noticeboard.ByConsent
	tried := *tool
	tried.Executable, tried.Integrity = true, []string{"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}
	if err := tried.Validate(); err != nil {
		t.Obstacles = append(t.Obstacles, "a script can't be declared: "+plain(err))
		return
	}
	d := m.finish(t, tool)
	d.Fill = []string{"executable", "integrity", "purpose", "sends", "personal", "retention", "contact", "source", "privacy", "reviewer", "reviewed"}
	d.Basis = append(d.Basis, "a script can do all that a reader can: copy it into the wiki instead, if at all possible")
	names[tool.Name] = true
	t.Drafts = append(t.Drafts, d)
}

// newTool begins a declaration; nil if the origin is none that can be declared.
func (m *maker) newTool(t *Tool, suffix string, names map[string]bool) *noticeboard.Tool {
	if len(names) >= maxDrafts+len(m.Tools) {
		t.Obstacles = append(t.Obstacles, fmt.Sprintf("no more than %d declarations are drafted", maxDrafts))
		return nil
	}
	u, err := url.Parse(httpOrigin(t.Origin))
	if err != nil || u.Host == "" {
		return nil
	}
	tool := &noticeboard.Tool{Name: freeName(u.Host, suffix, names), Origin: httpOrigin(t.Origin), Title: u.Host}
	if isLoopback(u.Hostname()) {
		tool.AllowLoopback = m.Loopback
		return tool
	}
	if u.Scheme == "http" {
		tool.Origin = "https://" + u.Host
		scheme, _, _ := strings.Cut(t.Origin, ":")
		t.Obstacles = append(t.Obstacles, fmt.Sprintf("it is asked for by %s: see whether it can be reached by %ss", scheme, scheme))
	}
	return tool
}

// finish writes the texts.
func (m *maker) finish(t *Tool, tool *noticeboard.Tool) *Draft {
	tool.Purpose = FillIn + "what readers have of it"
	tool.Sends = FillIn + "what it gets of a reader, such as what stands in the addresses asked for"
	tool.Retention = FillIn + "how long it keeps what it gets"
	tool.Contact = FillIn + "whom to ask"
	return &Draft{Tool: tool, Basis: t.basis(m.Reports.PageViews)}
}

// amend drafts a declared tool's own declaration with more kinds, or a stream.
func (m *maker) amend(t *Tool, more []noticeboard.Kind) {
	i := slices.IndexFunc(m.Tools, func(tool *noticeboard.Tool) bool { return tool.Name == t.Declared })
	tool := *m.Tools[i]
	d := &Draft{Tool: &tool, Amends: true, Fill: []string{"reviewer", "reviewed"}}
	d.add(more, t)
	tool.Revision = 0 // a live board counts
	if err := tool.Validate(); err != nil {
		t.Obstacles = append(t.Obstacles, "can't be declared: "+plain(err))
		return
	}
	added := texts(more)
	if t.NoStream {
		added = append(added, "streams websocket")
	}
	d.Basis = append([]string{fmt.Sprintf("adds %s to the tool as it is declared: readers who have consented are asked again", strings.Join(added, ", "))},
		t.basis(m.Reports.PageViews)...)
	t.Drafts = append(t.Drafts, d)
}

// basis tells a reviewer what a draft rests on.
func (t *Tool) basis(views uint64) []string {
	var lines []string
	for _, use := range t.Uses {
		lines = append(lines, fmt.Sprintf("%s %s: %d reports%s, %s to %s", use.Directive, use.Blocked, use.Count, ofViews(use.Total, views), day(use.First), day(use.Last)))
		if use.Verdict == csp.Depends {
			lines = append(lines, "it may be allowed already: "+use.Why)
		}
	}
	if len(t.Gadgets) == 0 {
		return append(lines, "no gadget is known to ask for it: the reports may be forged, or come from readers' own scripts or extensions")
	}
	for _, who := range t.Gadgets {
		lines = append(lines, who.basis())
	}
	return lines
}

// basis says why a gadget is thought to ask. Anybody can send a report that names it; code
// that names the origin can't be forged.
func (who Who) basis() string {
	switch {
	case who.Evidence == FromCode:
		return "probably asked for by " + who.Name + ", whose code names it"
	case who.MayBeForged():
		return "asked for by " + who.Name + ", as reports say that may be forged: its code does not name it, or was not looked at"
	}
	return "asked for by " + who.Name + ", as browsers said and its code does"
}

// freeName makes a tool's name of a host.
func freeName(host, suffix string, names map[string]bool) string {
	base := strings.Trim(strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(host)), "-")
	base = strings.Trim(base[:min(len(base), 50)], "-")
	name := base + suffix
	if base == "" {
		base, name = "tool", "tool"+suffix
	}
	for n := 2; names[name]; n++ {
		name = fmt.Sprintf("%s%s-%d", base, suffix, n)
	}
	return name
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && addr.IsLoopback()
}

// plain is a noticeboard's reason without the tool's name.
func plain(err error) string {
	if wrong, ok := errors.AsType[*noticeboard.Error](err); ok {
		return wrong.Reason
	}
	return err.Error()
}

func join(list []noticeboard.Kind) string {
	texts := make([]string, len(list))
	for i, kind := range list {
		texts[i] = string(kind)
	}
	return strings.Join(texts, ", ")
}
