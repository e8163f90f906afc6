package mask

import (
	"cmp"
	"crypto/rand"
	_ "embed"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/lookup/sightings"
)

//go:embed readerpage.html
var readerPageText string

var readerPage = page.Must(readerPageText, nil)

var (
	refusedReaderMethod = refusal.New(http.StatusMethodNotAllowed, "method", "privacy-refused-method")
	refusedReaderUse    = refusal.New(http.StatusForbidden, "use", "privacy-refused-use")
)

// asksReaderPage reports whether a request is for the page that tells its reader what is known of them.
func asksReaderPage(r *http.Request) bool {
	path := reqstate.OriginalPath(r)
	return path == edge.ReaderPath || path+"/" == edge.ReaderPath
}

// serveReaderPage answers with that page. It holds the mask, which other sites must not get by a frame or a script.
func (h *ClientMask) serveReaderPage(w http.ResponseWriter, r *http.Request, client *reqstate.Client) error {
	if reqstate.OriginalPath(r) != edge.ReaderPath {
		http.Redirect(w, r, edge.ReaderPath, http.StatusPermanentRedirect)
		return nil
	}
	if r.Method == http.MethodPost && (h.MaskBy != nil || h.app.Salt != nil) {
		return h.burn(w, r, client)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD, POST")
		return refusedReaderMethod.Answer(w, r)
	}
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		return refusedReaderUse.Answer(w, r)
	}
	frame := page.For(r, "privacy-title")
	frame.Nonce = rand.Text()
	sections := []edge.Section{h.maskSection(frame, client), h.recordSection(frame)}
	for _, teller := range edge.Tellers(r, h) {
		sections = append(sections, teller.TellReader(r, frame)...)
	}
	sections = append(sections, h.burnSection(r, frame, client)...)
	sections = append(sections, limitsSection(frame))
	page.Protect(w.Header(), "")
	reqstate.OwnPolicy(w, r, page.Policy(page.Nonce(frame.Nonce), "'self'"))
	w.Header().Add("Vary", "Accept-Language, Cookie, Sec-Fetch-Dest")
	return page.Write(w, http.StatusOK, readerPage, struct {
		page.Frame
		Sections []edge.Section
	}{frame, sections})
}

// maskSection tells the reader's mask, who has the same, and for how long.
func (h *ClientMask) maskSection(frame page.Frame, client *reqstate.Client) edge.Section {
	s := edge.Section{ID: "mask", Title: frame.Plain("privacy-mask-title")}
	mask := template.HTML(`<code dir="ltr">` + client.Mask + `</code>`) //nolint:gosec // a mask
	if h.Mode == modeObserve {
		s.Text = append(s.Text, frame.T("privacy-mask-observed", mask))
	} else {
		s.Text = append(s.Text, frame.T("privacy-mask", mask))
	}
	if client.Addr.Is4() {
		s.Text = append(s.Text, frame.T("privacy-mask-same-4"))
	} else {
		s.Text = append(s.Text, frame.T("privacy-mask-same-6", strconv.Itoa(h.config.V6Prefix)))
	}
	if rotate := time.Duration(h.app.Rotate); rotate != 0 {
		s.Text = append(s.Text, frame.T("privacy-mask-rotates", max(1, int(rotate/(24*time.Hour)))))
	} else {
		s.Text = append(s.Text, frame.T("privacy-mask-stays"))
	}
	if h.Networks == networksOff {
		return s
	}
	s.Text = append(s.Text, frame.T("privacy-networks"))
	if client.Addr.Is4() {
		for _, bits := range h.config.V4Ranges {
			s.List = append(s.List, frame.T("mask-size-4", strconv.Itoa(bits), 1<<(32-bits)))
		}
	} else {
		for _, bits := range h.config.V6Ranges {
			s.List = append(s.List, frame.T("mask-size-6", strconv.Itoa(bits), 1<<min(max(64-bits, 0), 62)))
		}
	}
	for name := range strings.SplitSeq(client.Names, ", ") {
		if name != "" {
			s.List = append(s.List, frame.T("privacy-network-named", name))
		}
	}
	return s
}

// recordSection tells what is kept of readers, and how long.
func (h *ClientMask) recordSection(frame page.Frame) edge.Section {
	s := edge.Section{ID: "record", Title: frame.Plain("privacy-record-title")}
	kept := h.app.Sightings
	if kept == nil {
		s.Text = append(s.Text, frame.T("privacy-record-none"))
		return s
	}
	days := int(cmp.Or(time.Duration(kept.Retention), sightings.DefaultRetention) / (24 * time.Hour))
	s.Text = append(s.Text, frame.T("privacy-record", days))
	s.List = append(s.List, frame.T("privacy-record-times"), frame.T("privacy-record-networks"))
	if kept.GeoIP != nil && kept.GeoIP.ASN != "" {
		s.List = append(s.List, frame.T("privacy-record-organization"))
	}
	if kept.GeoIP != nil && kept.GeoIP.City != "" {
		s.List = append(s.List, frame.T("privacy-record-place"))
	}
	key := "privacy-record-no-address"
	if kept.Seal != nil {
		switch kept.Seal.Mode {
		case seal.Local.String():
			key = "privacy-record-sealed-local"
		case seal.All.String():
			key = "privacy-record-sealed-all"
		default:
			key = "privacy-record-sealed-any"
		}
	}
	s.List = append(s.List, frame.T(key))
	return s
}

// limitsSection tells what masks hide from nobody.
func limitsSection(frame page.Frame) edge.Section {
	s := edge.Section{ID: "limits", Title: frame.Plain("privacy-limits-title")}
	for _, key := range []string{
		"privacy-limits-account", "privacy-limits-words", "privacy-limits-operator", "privacy-limits-logs", "privacy-limits-provider", "privacy-limits-neighbours",
		"privacy-limits-gadgets", "privacy-limits-links",
	} {
		s.List = append(s.List, frame.T(key))
	}
	s.Text = append(s.Text, frame.T("privacy-limits"))
	return s
}
