package mask

import (
	"crypto/rand"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/internal/page"
)

//go:embed networkpage.html
var networkPageText string

var defaultNetworkPage = page.Must(networkPageText, nil)

// headerBlocked is the response header by which an app says that it refused a change since the client is blocked: "1". It goes no further.
const headerBlocked = "Client-Mask-Blocked"

// networkPageData is what a network's page is made of.
type networkPageData struct {
	// Network is the network's name.
	Network string
	// Maybe is whether the app refused the change, so that it may be for another reason.
	Maybe bool
	// Onion is the site's onion address, where the app's answer names one.
	Onion string
	page.Frame
}

func (h *ClientMask) parseNetworkPage(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 1 && len(args) != 2 {
		return d.ArgErr()
	}
	if _, twice := h.NetworkPages[args[0]]; twice {
		return d.Errf("network_page %s is given twice", args[0])
	}
	if h.NetworkPages == nil {
		h.NetworkPages = make(map[string]string)
	}
	h.NetworkPages[args[0]] = strings.Join(args[1:], "")
	return nil
}

func (h *ClientMask) readNetworkPages() error {
	h.pages = nil
	for name, file := range h.NetworkPages {
		shown := defaultNetworkPage
		if file != "" {
			var err error
			if shown, err = readOwnPage("network_page", file, networkPageData{Frame: page.Frame{Language: i18n.English()}}); err != nil {
				return err
			}
		}
		if h.pages == nil {
			h.pages = make(map[string]*template.Template)
		}
		h.pages[name] = shown
	}
	return nil
}

// checkNetworkPages refuses pages of networks that there aren't.
func (h *ClientMask) checkNetworkPages() error {
	known := h.app.NetworkNames()
	for name := range h.NetworkPages {
		if !slices.Contains(known, name) {
			return fmt.Errorf("network_page: there is no network %q (known: %s)", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// pageOf returns the page of the first of the client's networks that has one.
func (h *ClientMask) pageOf(c *reqstate.Client) (network string, shown *template.Template) {
	if h.pages == nil || c.Names == "" {
		return "", nil
	}
	for name := range strings.SplitSeq(c.Names, ", ") {
		if shown := h.pages[name]; shown != nil {
			return name, shown
		}
	}
	return "", nil
}

// maskOfNetwork is the mask of a named network under the epoch in use.
func (h *ClientMask) maskOfNetwork(name string) netip.Addr {
	masks, err := h.masks()
	if err != nil {
		return netip.Addr{}
	}
	mask, _ := masks.site.Masker().Network(name)
	return mask
}

func serveNetworkPage(w http.ResponseWriter, r *http.Request, shown *template.Template, network string, maybe bool) error {
	frame := page.For(r, "network-title")
	frame.Nonce = rand.Text()
	onion, err := url.Parse(w.Header().Get("Onion-Location"))
	data := networkPageData{Network: network, Maybe: maybe, Frame: frame}
	if err == nil && strings.HasSuffix(onion.Hostname(), ".onion") {
		data.Onion = onion.Scheme + "://" + onion.Host + "/"
	}
	page.Protect(w.Header(), page.Policy(page.Nonce(frame.Nonce), ""))
	return page.Write(w, http.StatusForbidden, shown, data)
}

// refusedPage takes the place of the app's answer to a change that it refuses.
type refusedPage struct {
	r       *http.Request
	shown   *template.Template
	network string
	done    bool
}

// refusedPage returns the page that a reader is shown in place of a refusal; nil: none. What a script or a program sends has the app's answer.
func (h *ClientMask) refusedPage(r *http.Request, c *reqstate.Client) *refusedPage {
	network, shown := h.pageOf(c)
	if shown == nil || onlyReads(r) {
		return nil
	}
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		shown = nil
	}
	return &refusedPage{r: h.localized(r), shown: shown, network: network}
}

// replaces reports whether a response is a refusal that the page takes the place of.
func (p *refusedPage) replaces(status int, h http.Header) bool {
	if p == nil {
		return false
	}
	blocked := h.Get(headerBlocked) == "1"
	h.Del(headerBlocked)
	p.done = p.shown != nil && status >= 200 && (blocked || status == http.StatusForbidden)
	return p.done
}

// serve writes the page. What the app said of its own body goes; its cookies stay.
func (p *refusedPage) serve(w http.ResponseWriter) {
	for _, name := range []string{"Content-Length", "Content-Encoding", "Content-Type", "Content-Disposition", "Content-Language", "Content-Security-Policy-Report-Only", "Etag", "Last-Modified", "Trailer"} {
		w.Header().Del(name)
	}
	_ = serveNetworkPage(w, p.r, p.shown, p.network, true) // the client has gone
}

// served reports whether the app's body has nowhere to go.
func (p *refusedPage) served() bool { return p != nil && p.done }
