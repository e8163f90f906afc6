package caddymodule

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/masking/blocks"
)

const (
	adminBlocks       = "/wikiveil/blocks"
	adminRemoveBlocks = "/wikiveil/blocks/remove"
)

// maxAdminBody is far above any one block.
const maxAdminBody = 16 << 10

// blockRequest is the body that adds a block.
type blockRequest struct {
	Mask string `json:"mask"`
	// Expires is when the block ends; missing is never.
	Expires time.Time `json:"expires,omitzero"`
	// Reason is shown to those who are blocked.
	Reason string `json:"reason,omitempty"`
	// By is who blocks; "API" if missing.
	By string `json:"by,omitempty"`
}

// unblockRequest is the body that removes a block.
type unblockRequest struct {
	Mask string `json:"mask"`
	// Reason stands in the audit.
	Reason string `json:"reason,omitempty"`
	// By is who removes it; "API" if missing.
	By string `json:"by,omitempty"`
}

// serveBlocks lists the blocks on GET and adds one on POST.
func (a *adminAPI) serveBlocks(w http.ResponseWriter, r *http.Request) error {
	app, err := runningApp()
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodGet:
	case http.MethodPost:
		if err := addBlock(app, w, r); err != nil {
			return err
		}
	default:
		return methodNotAllowed(r)
	}
	list := app.blocks.All()
	if list == nil {
		list = []blocks.Block{}
	}
	return writeJSON(w, list)
}

func addBlock(app *App, w http.ResponseWriter, r *http.Request) error {
	var body blockRequest
	if err := readAdminBody(w, r, &body); err != nil {
		return err
	}
	mask, err := blocks.ParseMask(body.Mask)
	if err != nil {
		return badRequest(err)
	}
	by, err := operatorOf(body.By)
	if err != nil {
		return err
	}
	block := blocks.Block{Mask: mask, Expires: body.Expires, Reason: body.Reason, By: by}
	if err := cmp.Or(block.Validate(), checkReason(block.Reason)); err != nil { // what is refused is no entry of the audit
		return badRequest(err)
	}
	if err := app.auditChange(r, audit.Entry{Performer: block.By, Action: audit.Block, Masks: []netip.Addr{mask}, Reason: block.Reason}); err != nil {
		return err
	}
	err = app.blocks.Add(r.Context(), block)
	if isBlockMistake(err) {
		return badRequest(err)
	}
	return err
}

func isBlockMistake(err error) bool {
	for _, mistake := range []error{blocks.ErrReason, blocks.ErrBy, blocks.ErrExpired, blocks.ErrFull, blocks.ErrNotMask} {
		if errors.Is(err, mistake) {
			return true
		}
	}
	return false
}

// removeBlocks removes a block on POST.
func (a *adminAPI) removeBlocks(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return methodNotAllowed(r)
	}
	app, err := runningApp()
	if err != nil {
		return err
	}
	var body unblockRequest
	if err := readAdminBody(w, r, &body); err != nil {
		return err
	}
	mask, err := blocks.ParseMask(body.Mask)
	if err != nil {
		return badRequest(err)
	}
	by, err := operatorOf(body.By)
	if err != nil {
		return err
	}
	notBlocked := caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("%s is not blocked", mask)}
	if err := app.blocks.Refresh(r.Context()); err != nil { // another node may have blocked it just now
		return err
	}
	if _, ok := app.blocks.Match([]netip.Addr{mask}); !ok {
		return notBlocked
	}
	entry := audit.Entry{Performer: by, Action: audit.Unblock, Masks: []netip.Addr{mask}, Reason: body.Reason}
	if err := cmp.Or(entry.Validate(), checkReason(entry.Reason)); err != nil {
		return badRequest(err)
	}
	if err := app.auditChange(r, entry); err != nil {
		return err
	}
	removed, err := app.blocks.Remove(r.Context(), mask)
	if err != nil {
		return err
	}
	if removed == 0 {
		return notBlocked
	}
	return writeJSON(w, map[string]int{"removed": removed})
}

// readAdminBody reads a block as a JSON body.
func readAdminBody(w http.ResponseWriter, r *http.Request, into any) error {
	return readStrictly(w, r, into, "mask, expires (RFC 3339), reason and by")
}

// readStrictly reads a JSON body of the fields. Its error quotes nothing: it could be an address.
func readStrictly(w http.ResponseWriter, r *http.Request, into any, fields string) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil || decoder.More() {
		return badRequest(fmt.Errorf("the body is not one JSON object with the fields %s", fields))
	}
	return nil
}

func badRequest(err error) error {
	return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
}

func writeJSON(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(value)
}
