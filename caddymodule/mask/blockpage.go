package mask

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/internal/text"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/blocks"
)

//go:embed blockpage.html
var blockPageText string

var defaultBlockPage = page.Must(blockPageText, nil)

// blockPageData is what a block page is made of.
type blockPageData struct {
	// Mask is what is blocked: the client's mask or that of a network.
	Mask string
	// Network is whether it is a network's.
	Network bool
	// Reason is what who blocked gave, and may be empty.
	Reason string
	// Expires is when the block ends; zero is never.
	Expires time.Time
	// Frame's Nonce is what a style element needs to be applied, its Language the reader's.
	page.Frame
}

// maxBlockPage is the longest block page, in bytes.
const maxBlockPage = 1 << 20

// readBlockPage reads an operator's own page and tries it, so that a mistake in it shows
// when the config is loaded.
func readBlockPage(file string) (*template.Template, error) {
	return readOwnPage("block_page", file, blockPageData{Frame: page.Frame{Language: i18n.English()}})
}

// readOwnPage reads the file of an option, and tries it with some data.
func readOwnPage(option, file string, data any) (*template.Template, error) {
	text, err := text.ReadFile(file, maxBlockPage)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", option, err)
	}
	own, err := template.New(option).Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("parsing %s %s: %w", option, file, err)
	}
	if err := own.Execute(new(bytes.Buffer), data); err != nil {
		return nil, fmt.Errorf("trying %s %s: %w", option, file, err)
	}
	return own, nil
}

// serveBlockPage responds to a blocked client.
func serveBlockPage(w http.ResponseWriter, r *http.Request, shown *template.Template, block blocks.Block) error {
	frame := page.For(r, "block-title")
	frame.Nonce = rand.Text()
	page.Protect(w.Header(), page.Policy(page.Nonce(frame.Nonce), ""))
	return page.Write(w, http.StatusForbidden, shown, blockPageData{
		Mask: block.Mask.String(), Network: masking.IsNetwork(block.Mask), Reason: block.Reason, Expires: block.Expires, Frame: frame,
	})
}

// blocked returns the edge's own block of a client, if there is one.
func (h *ClientMask) blocked(c *reqstate.Client) (blocks.Block, bool) {
	if h.blocks == nil || h.blocks.Len() == 0 {
		return blocks.Block{}, false
	}
	return h.blocks.Match(c.AllMasks())
}

// serveBlocked answers a client that the edge blocks: by the page of its network, where that is what is blocked and has one.
func (h *ClientMask) serveBlocked(w http.ResponseWriter, r *http.Request, c *reqstate.Client, block blocks.Block) error {
	h.app.Metrics().Refused.WithLabelValues("blocked").Inc()
	h.holdSalt(r, c)
	r = h.localized(r)
	if name, shown := h.pageOf(c); shown != nil && masking.IsNetwork(block.Mask) && block.Mask == h.maskOfNetwork(name) {
		return serveNetworkPage(w, r, shown, name, false)
	}
	return serveBlockPage(w, r, h.page, block)
}
