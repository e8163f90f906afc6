package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/masking"
)

// maxNamed is how many members one look-up names: as many as can be compared.
const maxNamed = sightings.MaxCompare

// serveMembers tells of the clients in a network, on POST alone, as look-ups do.
func (h *MaskInfo) serveMembers(w http.ResponseWriter, r *http.Request) error {
	page := h.newPage(r, "members-title", access.User{})
	page.Members = true
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return h.showMembersForm(w, r, page)
	case http.MethodPost:
		return h.lookUpMembers(w, r, page)
	}
	w.Header().Set("Allow", "GET, HEAD, POST")
	return h.failUncounted(w, r, page, errByPost)
}

// showMembersForm shows the form, with the network filled in that a link names.
func (h *MaskInfo) showMembersForm(w http.ResponseWriter, r *http.Request, page maskPage) error {
	if asked := r.URL.Query().Get("network"); asked != "" {
		if _, _, err := parseNetwork(asked); err == nil {
			page.Asked = asked
		}
	}
	user, refused := h.gate.Admit(r, access.Info, 0)
	if refused != nil {
		return h.fail(w, r, audit.Members.String(), page, refused)
	}
	return h.write(w, r, http.StatusOK, "ask", page.again(h, r, user), struct{}{})
}

func (h *MaskInfo) lookUpMembers(w http.ResponseWriter, r *http.Request, page maskPage) error {
	form, unread := postedForm(w, r)
	if unread != nil {
		return h.failUncounted(w, r, page, unread)
	}
	asked, reason := strings.TrimSpace(form.Get("network")), strings.TrimSpace(form.Get("reason"))
	mask, name, err := parseNetwork(asked)
	if err == nil {
		page.Asked = asked
		if err = checkReason(reason); err == nil {
			page.Reason = reason
		}
	}
	units := 1
	if err != nil { // nothing is taken from the quota for a mistake
		units = 0
	}
	user, refused := h.gate.Admit(r, access.Info, units)
	if refused != nil {
		return h.fail(w, r, audit.Members.String(), page, refused)
	}
	page = page.again(h, r, user)
	if err != nil {
		return h.fail(w, r, audit.Members.String(), page, err)
	}
	view, err := h.members(r, page, mask, name)
	if err != nil {
		return h.fail(w, r, audit.Members.String(), page, err)
	}
	page.Data = view
	h.app.Metrics().Lookups.WithLabelValues(audit.Members.String(), "answered").Inc()
	return h.write(w, r, http.StatusOK, "members", page, view)
}

// parseNetwork reads a network's mask, or else the name of a named network.
func parseNetwork(text string) (mask netip.Addr, name string, err error) {
	if mask, ok := parseMask(text); ok {
		if !masking.IsNetwork(mask) {
			return netip.Addr{}, "", mistake("members-mistake-client", mask)
		}
		return mask, "", nil
	}
	// What could be an address, in whatever spelling, is not shown again in the form.
	if !masking.IsNetworkName(text) || strings.Trim(text, "0123456789abcdefx.") == "" || audit.CheckNoAddress("the network", text) != nil {
		return netip.Addr{}, "", mistake("members-mistake-network")
	}
	return netip.Addr{}, text, nil
}

// membersView is the response about the clients in a network.
type membersView struct {
	networkMaskView
	Collateral collateralView `json:"collateral"`
	Members    []memberView   `json:"members"`
	// More is whether there are more than are named.
	More bool `json:"more"`
	// NotNamed is why nobody is named; "" where somebody is.
	NotNamed string `json:"not_named"`
}

// collateralView is what a block of the network would hit.
type collateralView struct {
	Text      string `json:"text"`
	Days      int    `json:"days"`
	Until     string `json:"until"` // a day, the last of these
	Clients   string `json:"clients"`
	Published string `json:"published"`
}

// memberView is a client of a network. Its times are days: the minute of a visit could tell whose it was.
type memberView struct {
	Mask          netip.Addr `json:"mask"`
	FirstSeen     string     `json:"first_seen"`
	LastSeen      string     `json:"last_seen"`
	Sightings     string     `json:"sightings"`
	Contributions string     `json:"contributions"`
	Block         string     `json:"block"`
}

// members writes the audit, looks up, and names those members that the wiki shows: their number is taken from the
// user's quota, and their masks are in the audit, too.
func (h *MaskInfo) members(r *http.Request, page maskPage, mask netip.Addr, name string) (*membersView, error) {
	network, err := h.networkNamed(mask, name)
	if err != nil {
		return nil, err
	}
	if err := h.auditMembers(r, page, network.Mask); err != nil {
		return nil, err
	}
	if name == "" {
		network, err = h.lookNetwork(r.Context(), mask)
	} else { // its mask will be looked up, too
		err = h.app.Recorder().RememberNetworks(r.Context(), sightings.Record{
			Epoch: network.Epoch, Site: network.Site, Named: []sightings.NamedNetwork{{Name: name, Mask: network.Mask}}})
	}
	if err != nil {
		return nil, err
	}
	population, err := h.app.Recorder().Members(r.Context(), network)
	if err != nil {
		return nil, err
	}
	view := &membersView{networkMaskView: *viewOfNetwork(network), Members: []memberView{}, More: population.More}
	if view.NotNamed, err = h.nameMembers(r, page, view, population); err != nil {
		return nil, err
	}
	view.Collateral = collateralView{Days: sightings.RecentDays, Until: population.Until.String(), Clients: population.Clients, Published: population.Published}
	view.Collateral.Text = view.Collateral.in(page.Lang(), view)
	return view, nil
}

// networkNamed is a network as far as its mask, which a name gives.
func (h *MaskInfo) networkNamed(mask netip.Addr, name string) (sightings.NetworkRecord, error) {
	if name == "" {
		return sightings.NetworkRecord{Mask: mask}, nil
	}
	return h.app.Recorder().NamedNetwork(h.label, name)
}

func (h *MaskInfo) auditMembers(r *http.Request, page maskPage, masks ...netip.Addr) error {
	entry := audit.Entry{Performer: page.User.ID, Name: page.User.Name, Action: audit.Members, Masks: masks, Reason: page.Reason}
	if err := entry.Validate(); err != nil {
		return badEntry(err)
	}
	if _, err := h.lookups.log.Append(r.Context(), entry); err != nil {
		return fmt.Errorf("writing the audit: %w", err)
	}
	return nil
}

// nameMembers adds the members to a view whose masks the wiki shows the user, or tells why there are none.
func (h *MaskInfo) nameMembers(r *http.Request, page maskPage, view *membersView, population sightings.Population) (why string, err error) {
	switch {
	case population.Small:
		return page.Plain("members-small"), nil
	case h.wiki == nil:
		return page.Plain("members-no-wiki"), nil
	}
	shown, err := h.wiki.Shown(r, population.Candidates, maxNamed+1)
	if refused, ok := refusal.Of(err); ok && refused.Reason == access.Unavailable { // what a block hits is told all the same
		h.logger.Error("nobody of a network is named", zap.String("reason", refused.Reason), zap.Error(refused.Cause))
		return page.Plain("members-unnamed", refused), nil
	}
	if err != nil {
		return "", err
	}
	records, err := h.lookKnown(r.Context(), shown)
	if err != nil {
		return "", err
	}
	shown = shown[:0]
	for _, record := range records {
		shown = append(shown, record.Mask)
	}
	if len(shown) > maxNamed {
		shown, records, view.More = shown[:maxNamed], records[:maxNamed], true
	}
	if len(shown) == 0 {
		return page.Plain("members-none-shown"), nil
	}
	if _, err := h.gate.Quotas.Take(r.Context(), page.User.ID, access.Info, len(shown)); err != nil {
		if refused, ok := refusal.Of(err); ok && refused.Reason == access.NoQuota {
			return page.Plain("members-no-quota", len(shown), refused), nil
		}
		return "", err
	}
	if err := h.auditMembers(r, page, append(shown, view.Mask)...); err != nil {
		return "", err
	}
	for _, record := range records {
		view.Members = append(view.Members, memberView{
			Mask: record.Mask, FirstSeen: record.First.Format(time.DateOnly), LastSeen: record.Last.Format(time.DateOnly),
			Sightings: sightings.CountRange(record.Count), Contributions: page.ContributionsURL(record.Mask), Block: page.BlockURL(record.Mask),
		})
	}
	return "", nil
}

// lookKnown looks each of several masks up, and leaves out those of which there is no record: a store may have lost it.
func (c *MaskAccess) lookKnown(ctx context.Context, masks []netip.Addr) (known []sightings.Record, err error) {
	for _, mask := range masks {
		records, err := c.look(ctx, []netip.Addr{mask})
		if _, of := errors.AsType[*sightings.MaskError](err); of {
			continue
		}
		if err != nil {
			return nil, err
		}
		known = append(known, records...)
	}
	return known, nil
}
