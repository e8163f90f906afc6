package lookup

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/masking"
)

// maxLookupForm is more than the masks and the reason of one look-up need.
const maxLookupForm = 16 << 10

// serveLookup shows the form on GET, and looks up on POST alone. So no access log, history or Referer shows what is
// looked up, by whom and why, and no link or page of another site can look anything up in a user's name.
func (h *MaskInfo) serveLookup(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return h.showForm(w, r)
	case http.MethodPost:
		return h.lookUp(w, r)
	}
	w.Header().Set("Allow", "GET, HEAD, POST")
	return h.failUncounted(w, r, h.newPage(r, "mask-title", access.User{}), errByPost)
}

// showForm shows the form, with the masks filled in that a link names.
func (h *MaskInfo) showForm(w http.ResponseWriter, r *http.Request) error {
	page := h.newPage(r, "mask-title", access.User{})
	page.Asked = onlyMasks(strings.Join(r.URL.Query()["masks"], " "))
	if page.Asked != "" && wantsJSON(r) {
		w.Header().Set("Allow", "POST")
		return h.failUncounted(w, r, page, errByPost)
	}
	user, refused := h.gate.Admit(r, access.Info, 0)
	if refused != nil {
		return h.fail(w, r, audit.Info.String(), page, refused)
	}
	return h.write(w, r, http.StatusOK, "ask", page.again(h, r, user), struct{}{})
}

func (h *MaskInfo) lookUp(w http.ResponseWriter, r *http.Request) error {
	page := h.newPage(r, "mask-title", access.User{})
	form, refused := postedForm(w, r)
	if refused != nil {
		return h.failUncounted(w, r, page, refused)
	}
	page.Asked, page.Reason = strings.TrimSpace(strings.Join(form["masks"], " ")), strings.TrimSpace(form.Get("reason"))
	masks, err := parseMasks(page.Asked)
	if err != nil {
		page.Account = temporaryAccount.FindString(page.Asked)
		page.Asked = onlyMasks(page.Asked)
	} else if err = checkReason(page.Reason); err != nil {
		masks, page.Reason = nil, ""
	}
	action := audit.Info
	if len(masks) > 1 {
		action = audit.Compare
	}
	user, notAdmitted := h.gate.Admit(r, access.Info, len(masks)) // nothing is taken from the quota for a mistake
	if notAdmitted != nil {
		return h.fail(w, r, action.String(), page, notAdmitted)
	}
	page = page.again(h, r, user)
	if err != nil {
		return h.fail(w, r, action.String(), page, err)
	}
	if len(masks) == 0 {
		return h.failUncounted(w, r, page, errNoMask)
	}
	return h.respond(w, r, page, action, masks)
}

// postedForm reads a form that was sent on purpose from a page of this origin, or tells why it isn't taken.
func postedForm(w http.ResponseWriter, r *http.Request) (url.Values, *refusal.Refusal) {
	if why := notAsked(r); why != nil {
		return nil, why
	}
	if !fromOwnOrigin(r) {
		return nil, errElsewhere
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxLookupForm)
	if err := r.ParseForm(); err != nil {
		return nil, errFormUnread
	}
	return r.PostForm, nil
}

// respond writes the audit, looks up, and sends the response.
func (h *MaskInfo) respond(w http.ResponseWriter, r *http.Request, page maskPage, action audit.Action, masks []netip.Addr) error {
	entry := audit.Entry{Performer: page.User.ID, Name: page.User.Name, Action: action, Masks: masks, Reason: page.Reason}
	if err := entry.Validate(); err != nil {
		return h.fail(w, r, action.String(), page, badEntry(err))
	}
	if _, err := h.lookups.log.Append(r.Context(), entry); err != nil {
		return h.fail(w, r, action.String(), page, fmt.Errorf("writing the audit: %w", err))
	}
	var name string
	var value any
	var err error
	switch {
	case action == audit.Compare:
		name = "comparison"
		value, err = h.compare(r, masks)
	case masking.IsNetwork(masks[0]):
		name = "network"
		value, err = h.networkInfo(r, masks[0])
	default:
		name = "info"
		value, err = h.info(r, masks[0])
	}
	if err != nil {
		return h.fail(w, r, action.String(), page, err)
	}
	page.Data = value
	h.app.Metrics().Lookups.WithLabelValues(action.String(), "answered").Inc()
	return h.write(w, r, http.StatusOK, name, page, value)
}

// parseMasks reads masks with spaces, commas or line ends between.
func parseMasks(text string) ([]netip.Addr, error) {
	fields := maskFields(text)
	if len(fields) > sightings.MaxCompare {
		return nil, mistake("mask-mistake-many", len(fields), sightings.MaxCompare)
	}
	var masks []netip.Addr
	for _, field := range fields {
		if temporaryAccount.MatchString(field) {
			return nil, errTemporaryAccount
		}
		mask, ok := parseMask(field)
		if !ok { // what is no mask is not shown again: it may be an address
			return nil, mistake("mask-mistake-no-mask", len(masks)+1)
		}
		if slices.Contains(masks, mask) {
			return nil, mistake("mask-mistake-twice", mask)
		}
		if len(fields) > 1 && masking.IsNetwork(mask) {
			return nil, mistake("mask-mistake-network", mask)
		}
		masks = append(masks, mask)
	}
	return masks, nil
}

func maskFields(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' })
}

func parseMask(field string) (netip.Addr, bool) {
	mask, err := netip.ParseAddr(field)
	return mask, err == nil && mask.Zone() == "" && masking.Is(mask)
}

// temporaryAccount is the name of an account that MediaWiki made for one browser.
var temporaryAccount = regexp.MustCompile(`^~[0-9]{1,4}-[0-9][0-9-]{0,30}$`)

// onlyMasks is what is shown again of a text that has more than masks.
func onlyMasks(text string) string {
	return strings.Join(slices.DeleteFunc(maskFields(text), func(field string) bool {
		_, ok := parseMask(field)
		return !ok
	}), " ")
}

// notAsked tells why a request was not made on purpose by a person or a program; nil if it was. Browsers also load
// ahead what is linked, and load what is in a page, and anybody can write to some pages.
func notAsked(r *http.Request) *refusal.Refusal {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Moz", "Service-Worker-Navigation-Preload"} {
		if _, ok := r.Header[name]; ok {
			return errLoadedAhead
		}
	}
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "", "document", "empty": // empty: a script
		return nil
	}
	return errWithinPage
}

// networkView is a network's mask with its width, which is never written as a slash length after the
// mask: as IPv6 notation that would be another, far too wide range.
type networkView struct {
	Mask         netip.Addr `json:"mask"`
	Family       string     `json:"family"` // IPv4 or IPv6
	PrefixLength int        `json:"prefix_length"`
	Text         string     `json:"text"`
}

func viewNetwork(n sightings.Network) *networkView {
	if !n.IsValid() {
		return nil
	}
	return &networkView{Mask: n.Mask, Family: fmt.Sprintf("IPv%d", n.Family), PrefixLength: n.Bits, Text: n.String()}
}

type namedView struct {
	Name string     `json:"name"`
	Mask netip.Addr `json:"mask"`
}

// infoView is the response about one client's mask.
type infoView struct {
	Mask    netip.Addr `json:"mask"`
	Summary string     `json:"summary"`
	// Organization is the name with the number of the autonomous system.
	Organization string         `json:"organization"`
	ASN          uint32         `json:"asn,omitempty"`
	Network      *networkView   `json:"network"` // its allocation; null if unknown
	Ranges       []*networkView `json:"ranges"`
	Named        []namedView    `json:"named_networks"`
	FirstSeen    time.Time      `json:"first_seen"`
	LastSeen     time.Time      `json:"last_seen"`
	Sightings    string         `json:"sightings"`
	// Reveals is whether there is a sealed address.
	Reveals bool `json:"revealable"`
}

// rangeLine is a network of a client on a page.
type rangeLine struct {
	Net       *networkView
	Allocated bool
}

// Networks are all that can be blocked, the widest first, each once: an allocation may be one of the ranges.
func (v *infoView) Networks() (lines []rangeLine) {
	for _, n := range v.Ranges {
		lines = append(lines, rangeLine{n, v.Network != nil && v.Network.Mask == n.Mask})
	}
	if v.Network != nil && !slices.ContainsFunc(lines, func(l rangeLine) bool { return l.Allocated }) {
		lines = append(lines, rangeLine{v.Network, true})
	}
	slices.SortStableFunc(lines, func(a, b rangeLine) int { return cmp.Compare(a.Net.PrefixLength, b.Net.PrefixLength) })
	return lines
}

func (h *MaskInfo) info(r *http.Request, mask netip.Addr) (*infoView, error) {
	records, err := h.look(r.Context(), []netip.Addr{mask})
	if err != nil {
		return nil, err
	}
	record := records[0]
	if err := h.app.Recorder().RememberNetworks(r.Context(), record); err != nil {
		return nil, err
	}
	view := &infoView{
		Mask: mask, Organization: record.Organization(), ASN: record.ASN, Network: viewNetwork(record.Allocation),
		Summary:   fmt.Sprintf("Organization: %s  Network: %v", record.Organization(), record.Allocation),
		Ranges:    []*networkView{},
		Named:     []namedView{},
		FirstSeen: record.First.Truncate(time.Minute), LastSeen: record.Last.Truncate(time.Minute),
		Sightings: sightings.CountRange(record.Count),
		Reveals:   len(record.Box.Body) > 0,
	}
	for _, n := range record.Ranges {
		view.Ranges = append(view.Ranges, viewNetwork(n))
	}
	for _, n := range record.Named {
		view.Named = append(view.Named, namedView{n.Name, n.Mask})
	}
	return view, nil
}

// networkMaskView is the response about a network's mask.
type networkMaskView struct {
	Mask         netip.Addr   `json:"mask"`
	Summary      string       `json:"summary"`
	Organization string       `json:"organization"`
	ASN          uint32       `json:"asn,omitempty"`
	Network      *networkView `json:"network,omitempty"`
	Name         string       `json:"name,omitempty"`
}

func (h *MaskInfo) networkInfo(r *http.Request, mask netip.Addr) (*networkMaskView, error) {
	n, err := h.lookNetwork(r.Context(), mask)
	if err != nil {
		return nil, err
	}
	return viewOfNetwork(n), nil
}

func viewOfNetwork(n sightings.NetworkRecord) *networkMaskView {
	view := &networkMaskView{Mask: n.Mask, Organization: n.Organization(), ASN: n.ASN, Network: viewNetwork(n.Network), Name: n.Name}
	if n.Name != "" {
		view.Summary = "Network: " + n.Name
	} else {
		view.Summary = fmt.Sprintf("Organization: %s  Network: %v", view.Organization, n.Network)
	}
	return view
}

// comparisonView is the response about several masks.
type comparisonView struct {
	Masks        []netip.Addr `json:"masks"`
	Summary      string       `json:"summary"`
	City         string       `json:"city"`
	Region       string       `json:"region"`
	Country      string       `json:"country"`
	Organization string       `json:"organization"`
	// Network is the narrowest one that all are in; null if none is known.
	Network *networkView `json:"network"`
}

func (h *MaskInfo) compare(r *http.Request, masks []netip.Addr) (*comparisonView, error) {
	records, err := h.look(r.Context(), masks)
	if err != nil {
		return nil, err
	}
	c := sightings.CompareRecords(records)
	network := "none in common"
	if c.Network.IsValid() {
		network = c.Network.String()
		if err := h.app.Recorder().RememberNetworks(r.Context(), records[0]); err != nil { // it's one of them
			return nil, err
		}
	}
	return &comparisonView{
		Masks: masks, City: c.City.String(), Region: c.Region.String(), Country: c.Country.String(),
		Organization: c.Organization.String(), Network: viewNetwork(c.Network),
		Summary: fmt.Sprintf("City: %v  Region: %v  Country: %v  Network: %s", c.City, c.Region, c.Country, network),
	}, nil
}

// checkReason refuses a reason with an address in it.
func checkReason(reason string) error {
	if err := audit.CheckReason(reason); err != nil {
		return mistake("mask-mistake-reason-address")
	}
	return nil
}
