package lookup

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

const (
	// auditPage is how many entries a page has.
	auditPage = 100
	// auditChunk is how many entries are read at a time, the newest first.
	auditChunk = 256
	// maxAuditScan bounds the entries that are read for one page: a filter may find few among many.
	maxAuditScan = 100 * auditChunk
)

// serveAudit shows the audit log on POST, the newest entries first, to those who may read it. That they
// read it stands in it before they do, so nobody is led to it by a link.
func (h *MaskInfo) serveAudit(w http.ResponseWriter, r *http.Request) error {
	page := h.newPage(r, "audit-title", access.User{})
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		user, refused := h.gate.Admit(r, access.Audit, 0)
		if refused != nil {
			return h.fail(w, r, auditRead, page, refused)
		}
		if wantsJSON(r) {
			w.Header().Set("Allow", "POST")
			return h.failUncounted(w, r, page, errByPost)
		}
		return h.write(w, r, http.StatusOK, "ask-audit", page.again(h, r, user), nil)
	case http.MethodPost:
		return h.readAudit(w, r, page)
	}
	w.Header().Set("Allow", "GET, HEAD, POST")
	return h.failUncounted(w, r, page, errByPost)
}

// auditRead is the action in metrics.
const auditRead = "audit"

func (h *MaskInfo) readAudit(w http.ResponseWriter, r *http.Request, page maskPage) error {
	form, unread := postedForm(w, r)
	if unread != nil {
		return h.failUncounted(w, r, page, unread)
	}
	user, refused := h.gate.Admit(r, access.Audit, 0)
	if refused != nil {
		return h.fail(w, r, auditRead, page, refused)
	}
	page = page.again(h, r, user)
	asked, err := parseAuditQuery(form)
	if err != nil {
		return h.fail(w, r, auditRead, page, err)
	}
	entry := audit.Entry{Performer: user.ID, Name: user.Name, Action: audit.Read, Reason: strings.TrimSpace(form.Get("reason"))}
	if err := entry.Validate(); err != nil {
		return h.fail(w, r, auditRead, page, badEntry(err))
	}
	if err := checkReason(entry.Reason); err != nil {
		return h.fail(w, r, auditRead, page, err)
	}
	if _, err := h.lookups.log.Append(r.Context(), entry); err != nil {
		return h.fail(w, r, auditRead, page, fmt.Errorf("writing the audit: %w", err))
	}
	view, err := readAudit(r.Context(), h.lookups.log.Log, asked)
	if err != nil {
		return h.fail(w, r, auditRead, page, err)
	}
	page.Data = view
	h.app.Metrics().Lookups.WithLabelValues(auditRead, "answered").Inc()
	return h.write(w, r, http.StatusOK, "audit", page, view)
}

// auditQuery is which entries are asked for.
type auditQuery struct {
	before, after uint64 // sequences; the newest if neither is given
	upwards       bool   // after is given
	action        audit.Action
	performer     string
}

func parseAuditQuery(query url.Values) (q auditQuery, err error) {
	if q.before, _, err = sequenceOf(query, "before"); err != nil {
		return auditQuery{}, err
	}
	if q.after, q.upwards, err = sequenceOf(query, "after"); err != nil {
		return auditQuery{}, err
	}
	if q.before != 0 && q.upwards {
		return auditQuery{}, mistake("audit-mistake-both")
	}
	if name := query.Get("action"); name != "" {
		if err := q.action.UnmarshalText([]byte(name)); err != nil {
			return auditQuery{}, mistake("audit-mistake-action", fmt.Sprint(auditActions))
		}
	}
	q.performer = query.Get("performer")
	return q, nil
}

// sequenceOf reads the number of an entry. Errors quote nothing: it may be an address.
func sequenceOf(query url.Values, name string) (n uint64, given bool, err error) {
	text := query.Get(name)
	if text == "" {
		return 0, false, nil
	}
	if n, err = strconv.ParseUint(text, 10, 63); err != nil {
		return 0, false, mistake("audit-mistake-number", name)
	}
	return n, true, nil
}

var auditActions = []audit.Action{audit.Info, audit.Compare, audit.Members, audit.Reveal, audit.Block, audit.Unblock, audit.Read, audit.Loss}

func (q auditQuery) matches(e audit.Entry) bool {
	return (q.action == 0 || e.Action == q.action) && (q.performer == "" || e.Performer == q.performer || e.Name == q.performer)
}

// auditView is a page of the log.
type auditView struct {
	// Entries are the newest first.
	Entries []audit.Entry `json:"entries"`
	// Total is the number of entries ever written, Pruned that of the oldest ones, no longer kept.
	Total  uint64 `json:"total"`
	Pruned uint64 `json:"pruned"`
	// Older is what to give as before, and Newer as after, for the pages beside this; missing
	// where there is none.
	Older uint64 `json:"older,omitempty"`
	Newer uint64 `json:"newer,omitempty"`
	// What was asked for.
	Action    audit.Action `json:"action,omitzero"`
	Performer string       `json:"performer,omitempty"`
}

// Actions are all that can be asked for.
func (auditView) Actions() []audit.Action { return auditActions }

// readAudit reads one page.
func readAudit(ctx context.Context, log *audit.Log, q auditQuery) (*auditView, error) {
	now := log.Checkpoint()
	view := &auditView{Entries: []audit.Entry{}, Total: now.Entries, Pruned: now.Pruned, Action: q.action, Performer: q.performer}
	if q.upwards {
		return view, view.readUp(ctx, log, q)
	}
	return view, view.readDown(ctx, log, q)
}

// readDown reads what comes before an entry. The log yields upwards only, so it goes by chunks.
func (v *auditView) readDown(ctx context.Context, log *audit.Log, q auditQuery) error {
	last := v.Total
	if q.before != 0 && q.before <= last {
		v.Newer = q.before - 1
		last = q.before - 1
	}
	for scanned := 0; last > v.Pruned && len(v.Entries) < auditPage && scanned < maxAuditScan; scanned += auditChunk {
		first := v.Pruned
		if last > auditChunk {
			first = max(first, last-auditChunk)
		}
		var found []audit.Entry
		for e, err := range log.Entries(ctx, first) {
			if err != nil {
				return err
			}
			if e.Sequence <= last && q.matches(e) {
				found = append(found, e)
			}
			if e.Sequence >= last {
				break
			}
		}
		slices.Reverse(found)
		v.Entries = append(v.Entries, found...)
		last = first
	}
	if len(v.Entries) > auditPage {
		v.Entries = v.Entries[:auditPage]
		last = v.Entries[auditPage-1].Sequence - 1
	}
	if last > v.Pruned {
		v.Older = last + 1
	}
	return nil
}

// readUp reads what comes after an entry.
func (v *auditView) readUp(ctx context.Context, log *audit.Log, q auditQuery) error {
	last := min(max(q.after, v.Pruned), v.Total)
	if last > v.Pruned {
		v.Older = last + 1
	}
	scanned := 0
	for e, err := range log.Entries(ctx, last) {
		if err != nil {
			return err
		}
		last = e.Sequence
		if q.matches(e) {
			v.Entries = append(v.Entries, e)
		}
		if scanned++; len(v.Entries) == auditPage || scanned == maxAuditScan || last >= v.Total {
			break
		}
	}
	slices.Reverse(v.Entries)
	if last < v.Total {
		v.Newer = last
	}
	return nil
}
