package lookup

import (
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

// unknownName is how records call an organization that isn't known.
const unknownName = "unknown"

// What JSON says in fixed English words, pages say in their readers' language.

// Size says how wide a network is, and what that means.
func (p maskPage) Size(n *networkView) template.HTML {
	if n.Family == "IPv4" {
		return p.T("mask-size-4", strconv.Itoa(n.PrefixLength), 1<<(32-min(n.PrefixLength, 32)))
	}
	return p.T("mask-size-6", strconv.Itoa(n.PrefixLength), 1<<min(64-min(n.PrefixLength, 64), 62))
}

// Known is a name, or that none is known.
func (p maskPage) Known(name string) string {
	if name == unknownName {
		return p.Plain("mask-unknown")
	}
	return name
}

// network names a network in one line, which people paste.
func (p maskPage) network(n *networkView, none string) template.HTML {
	if n == nil {
		return p.T(none)
	}
	return p.T("mask-network-in-words", n.Mask, n.Family, strconv.Itoa(n.PrefixLength))
}

// OrganizationAndNetwork is the line that sums a mask up.
func (p maskPage) OrganizationAndNetwork(organization string, n *networkView) template.HTML {
	return p.T("mask-summary", p.Known(organization), p.network(n, "mask-unknown"))
}

// Compared is the line that sums a comparison up.
func (p maskPage) Compared(c *comparisonView) template.HTML {
	return p.T("mask-summary-compared", p.Relation(c.City), p.Relation(c.Region), p.Relation(c.Country), p.network(c.Network, "mask-common-none"))
}

var relationKeys = map[string]string{"Same": "mask-same", "Not Same": "mask-not-same", "Unknown": "mask-relation-unknown"}

// Relation says whether several masks have something in common.
func (p maskPage) Relation(is string) string { return p.Plain(relationKeys[is]) }

// Count says how many requests there are, from the words for it in English.
func (p maskPage) Count(words string) string { return countWords("mask-count", words).In(p.Lang()) }

// countWords are the message, of some that begin alike, for a number of which a range is told.
func countWords(key, words string) i18n.Message {
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0
		}
		return n
	}
	from, to, isRange := strings.Cut(words, " to ")
	fewer, isFewer := strings.CutPrefix(words, "fewer than ")
	least, isLeast := strings.CutPrefix(words, "at least ")
	more, isMore := strings.CutSuffix(words, " or more")
	switch {
	case isRange:
		return i18n.Message{Key: key + "-range", Args: []any{number(from), number(to)}}
	case isFewer:
		return i18n.Message{Key: key + "-fewer", Args: []any{number(fewer)}}
	case isLeast:
		return i18n.Message{Key: key + "-least", Args: []any{number(least)}}
	case isMore:
		return i18n.Message{Key: key + "-more", Args: []any{number(more)}}
	}
	if words == unknownName {
		return i18n.Message{Key: key + "-unknown"}
	}
	return i18n.Verbatim(words)
}

// Collateral says what a block of a network would hit.
func (p maskPage) Collateral(v *membersView) string { return v.Collateral.in(p.Lang(), v) }

func (c collateralView) in(l *i18n.Language, v *membersView) string {
	text := l.Text("members-collateral", countWords("members-clients", c.Clients), c.Days, countWords("members-published", c.Published))
	switch n := len(v.Members); {
	case n > 0 && v.More:
		text += " " + l.Text("members-edited-more", n)
	case n > 0:
		text += " " + l.Text("members-edited", n)
	}
	return text
}

var actionKeys = map[audit.Action]string{
	audit.Info: "audit-action-info", audit.Compare: "audit-action-compare", audit.Members: "audit-action-members", audit.Reveal: "audit-action-reveal",
	audit.Block: "audit-action-block", audit.Unblock: "audit-action-unblock", audit.Read: "audit-action-read", audit.Loss: "audit-action-loss",
}

// Action says what was done.
func (p maskPage) Action(a audit.Action) string {
	if key, ok := actionKeys[a]; ok {
		return p.Plain(key)
	}
	return a.String()
}

// second is a time to the second, whose halves may stand on two lines.
func second(t time.Time) template.HTML {
	t = t.UTC()
	return template.HTML(`<time dir="ltr" datetime="` + t.Format(time.RFC3339) + `">` + t.Format(time.DateOnly) + ` <span>` + t.Format("15:04:05 UTC") + `</span></time>`) //nolint:gosec // digits
}
