package caddymodule

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/blocks"
)

//go:embed blockpage.html
var blockPageText string

var defaultBlockPage = template.Must(template.New("block page").Parse(blockPageText))

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
	// Nonce is what a style element needs to be applied.
	Nonce string
}

// maxBlockPage is the longest block page, in bytes.
const maxBlockPage = 1 << 20

// readBlockPage reads an operator's own page and tries it, so that a mistake in it shows
// when the config is loaded.
func readBlockPage(file string) (*template.Template, error) {
	text, err := readFile(file, maxBlockPage)
	if err != nil {
		return nil, fmt.Errorf("reading block_page: %w", err)
	}
	page, err := template.New("block page").Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("parsing block_page %s: %w", file, err)
	}
	if err := page.Execute(new(bytes.Buffer), blockPageData{}); err != nil {
		return nil, fmt.Errorf("trying block_page %s: %w", file, err)
	}
	return page, nil
}

// serveBlockPage answers for a blocked client.
func serveBlockPage(w http.ResponseWriter, r *http.Request, page *template.Template, block blocks.Block) error {
	data := blockPageData{
		Mask: block.Mask.String(), Network: masking.IsNetwork(block.Mask),
		Reason: block.Reason, Expires: block.Expires, Nonce: rand.Text(),
	}
	var body bytes.Buffer
	if err := page.Execute(&body, data); err != nil {
		return fmt.Errorf("making the block page: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+data.Nonce+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusForbidden)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(body.Bytes())
	return err
}
