package forecast

import (
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

// toFill are the fields of a declaration that a person has to fill in.
var toFill = []string{"purpose", "sends", "personal", "retention", "contact", "source", "privacy", "reviewer", "reviewed"}

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

// declared finds the tool that has an origin. One by the proxy counts before others.
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
			t.Paths = append(t.Paths, noticeboard.DefaultPrefix+tool.Name)
			t.mirrored = t.mirrored || tool.IsMirror() && tool.Has(noticeboard.Style) && tool.Has(noticeboard.Font)
		}
		noStream := isStream(t.Origin) && !tool.Opens(noticeboard.WebSocket)
		switch {
		case t.Status == Proxied && status == Proxied: // what one of them has isn't missing
			t.Missing = slices.DeleteFunc(t.Missing, tool.Has)
			t.NoStream = t.NoStream && noStream
		case t.Status == Undeclared, t.Status == Unusable, status == Proxied:
			t.Status, t.Declared, t.NoStream = status, tool.Name, noStream
			t.Missing = slices.DeleteFunc(t.kinds(), tool.Has)
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

// draft writes the smallest declarations that let through what was asked for.
func (m *maker) draft(t *Tool, names map[string]bool) {
	for _, use := range t.Uses {
		if use.Kind == "" {
			t.Obstacles = append(t.Obstacles, fmt.Sprintf("%s can't be declared: no tool may have it", use.Directive))
		}
	}
	asked, wanted := t.kinds(), t.kinds()
	switch t.Status {
	case Unusable:
		t.Obstacles = append(t.Obstacles, fmt.Sprintf("the tool %s is disabled or has expired", t.Declared))
		return
	case Proxied, Consent:
		wanted = slices.Clone(t.Missing)
	}
	take := func(kinds ...noticeboard.Kind) bool {
		before := len(wanted)
		wanted = slices.DeleteFunc(wanted, func(kind noticeboard.Kind) bool { return slices.Contains(kinds, kind) })
		return len(wanted) < before
	}
	for _, kind := range []noticeboard.Kind{noticeboard.Script, noticeboard.Frame} {
		if take(kind) {
			m.draftDirect(t, kind, names)
		}
	}
	// A sheet that comes by the proxy loads nothing, so its fonts come by a mirror alone.
	if t.Status != Consent && !t.mirrored && slices.Contains(asked, noticeboard.Style) && slices.Contains(asked, noticeboard.Font) {
		take(noticeboard.Style, noticeboard.Font)
		m.draftMirror(t, names)
	}
	switch tool := m.tool(t.Declared); {
	case len(wanted) == 0 && !t.NoStream:
	case tool == nil || tool.IsMirror():
		m.draftNew(t, wanted, names)
	default:
		m.amend(t, tool, wanted)
	}
}

// tool is the declared one of that name, or nil.
func (m *maker) tool(name string) *noticeboard.Tool {
	i := slices.IndexFunc(m.Tools, func(tool *noticeboard.Tool) bool { return tool.Name == name })
	if i < 0 {
		return nil
	}
	return m.Tools[i]
}

// draftNew drafts a tool by the proxy, which shows it nothing of readers.
func (m *maker) draftNew(t *Tool, kinds []noticeboard.Kind, names map[string]bool) {
	tool := m.newTool(t, "", names)
	if tool == nil {
		return
	}
	if d := m.drafted[tool.Origin]; d != nil { // the same host by another scheme
		d.add(kinds, t)
		d.Basis = append(d.Basis, t.basis(m.Reports.PageViews)...)
		t.Paths = append(t.Paths, noticeboard.DefaultPrefix+d.Tool.Name)
		return
	}
	tool.Access = noticeboard.ByProxy
	d := m.finish(t, tool)
	d.add(kinds, t)
	d.Fill = toFill
	if slices.Contains(kinds, noticeboard.Style) {
		d.Basis = append(d.Basis, "a style sheet that comes by the proxy loads no fonts or images: one that has any needs a mirror, see `wikiveil tools pin`")
	}
	if err := tool.Validate(); err != nil {
		t.Obstacles = append(t.Obstacles, "can't be declared: "+plain(err))
		return
	}
	m.drafted[tool.Origin] = d
	t.take(d, names)
	t.Paths = append(t.Paths, noticeboard.DefaultPrefix+tool.Name)
}

// take adds a draft.
func (t *Tool) take(d *Draft, names map[string]bool) {
	names[d.Tool.Name] = true
	t.Drafts = append(t.Drafts, d)
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

// someHash is a hash of nothing, to try a declaration with that lacks its own.
const someHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

// draftDirect drafts a tool of a kind that comes by consent alone. A script's draft is refused until the operator has decided.
func (m *maker) draftDirect(t *Tool, kind noticeboard.Kind, names map[string]bool) {
	tool := m.newTool(t, "-"+string(kind), names)
	if tool == nil {
		return
	}
	tool.Kinds = []noticeboard.Kind{kind}
	tool.Access = noticeboard.ByConsent
	tried, fill := *tool, toFill
	basis := "no report says what its pages need: scripts are `sandbox allow-scripts`, features such as fullscreen are `allow`"
	if kind == noticeboard.Script {
		tried.Executable, tried.Integrity = true, []string{someHash}
		fill = append([]string{"executable", "integrity"}, toFill...)
		basis = "a script can do all that a reader can: copy it into the wiki instead, if at all possible"
	}
	if err := tried.Validate(); err != nil {
		t.Obstacles = append(t.Obstacles, fmt.Sprintf("a %s can't be declared: %s", kind, plain(err)))
		return
	}
	d := m.finish(t, tool)
	d.Fill = fill
	d.Basis = append(d.Basis, basis)
	t.take(d, names)
}

// maxSheets is how many style sheets stand in the draft of a mirror.
const maxSheets = 20

// draftMirror drafts a mirror of style sheets and their fonts. It is refused until it has the hashes,
// which `wikiveil tools pin` finds: a forecast asks no third party for anything.
func (m *maker) draftMirror(t *Tool, names map[string]bool) {
	tool := m.newTool(t, "-mirror", names)
	if tool == nil {
		return
	}
	tool.Kinds = []noticeboard.Kind{noticeboard.Font, noticeboard.Style}
	tool.Access = noticeboard.ByProxy
	tried := *tool
	tried.Mirror = []noticeboard.MirrorFile{{Path: "/sheet.css", Integrity: someHash}}
	if err := tried.Validate(); err != nil {
		t.Obstacles = append(t.Obstacles, "a mirror can't be declared: "+plain(err))
		return
	}
	paths := sheets(m.index.mentioning(t.Origin), t.Origin)
	if paths == nil {
		paths = []string{"/FILL-IN.css"}
	}
	command := "wikiveil tools pin " + tool.Name
	for _, path := range paths {
		tool.Mirror = append(tool.Mirror, noticeboard.MirrorFile{Path: path, Integrity: "sha384-FILL-IN"})
		command += " '" + tool.Origin + path + "'"
	}
	d := m.finish(t, tool)
	tool.Sends, tool.Retention = "", "" // a mirror gets nothing of readers
	d.Fill = []string{"mirror", "purpose", "contact", "source", "privacy", "reviewer", "reviewed"}
	d.Basis = append(d.Basis, "a style sheet that comes by the proxy loads no fonts, so it is mirrored with them; this prints the hashes and the fonts: "+command)
	t.take(d, names)
	t.Paths = append(t.Paths, noticeboard.DefaultPrefix+tool.Name)
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
func (m *maker) amend(t *Tool, declared *noticeboard.Tool, more []noticeboard.Kind) {
	tool := *declared
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
