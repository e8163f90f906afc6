package mask

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/masking/blocks"
)

const (
	adminBlocks       = "/wikiveil/blocks"
	adminRemoveBlocks = "/wikiveil/blocks/remove"
)

func init() {
	// The edge's own block list, to which POST adds a block {mask, expires, reason, by}.
	edge.HandleAdmin(adminBlocks, serveBlocks, http.MethodGet, http.MethodPost)
	edge.HandleAdmin(adminRemoveBlocks, removeBlocks, http.MethodPost) // removes the block of {mask, reason, by}
}

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
func serveBlocks(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		if err := addBlock(app, w, r); err != nil {
			return err
		}
	}
	list := blockParts.Of(app).All()
	if list == nil {
		list = []blocks.Block{}
	}
	return admin.WriteJSON(w, list)
}

func addBlock(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	var body blockRequest
	if err := readAdminBody(w, r, &body); err != nil {
		return err
	}
	mask, err := blocks.ParseMask(body.Mask)
	if err != nil {
		return admin.BadRequest(err)
	}
	by, err := admin.Operator(body.By)
	if err != nil {
		return err
	}
	block := blocks.Block{Mask: mask, Expires: body.Expires, Reason: body.Reason, By: by}
	if err := cmp.Or(block.Validate(), audit.CheckReason(block.Reason)); err != nil { // what is refused is no entry of the audit
		return admin.BadRequest(err)
	}
	if err := app.AuditChange(r, audit.Entry{Performer: block.By, Action: audit.Block, Masks: []netip.Addr{mask}, Reason: block.Reason}); err != nil {
		return err
	}
	err = blockParts.Of(app).Add(r.Context(), block)
	if isBlockMistake(err) {
		return admin.BadRequest(err)
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
func removeBlocks(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	var body unblockRequest
	if err := readAdminBody(w, r, &body); err != nil {
		return err
	}
	mask, err := blocks.ParseMask(body.Mask)
	if err != nil {
		return admin.BadRequest(err)
	}
	by, err := admin.Operator(body.By)
	if err != nil {
		return err
	}
	notBlocked := caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("%s is not blocked", mask)}
	if err := blockParts.Of(app).Refresh(r.Context()); err != nil { // another node may have blocked it just now
		return err
	}
	if _, ok := blockParts.Of(app).Match([]netip.Addr{mask}); !ok {
		return notBlocked
	}
	entry := audit.Entry{Performer: by, Action: audit.Unblock, Masks: []netip.Addr{mask}, Reason: body.Reason}
	if err := cmp.Or(entry.Validate(), audit.CheckReason(entry.Reason)); err != nil {
		return admin.BadRequest(err)
	}
	if err := app.AuditChange(r, entry); err != nil {
		return err
	}
	removed, err := blockParts.Of(app).Remove(r.Context(), mask)
	if err != nil {
		return err
	}
	if removed == 0 {
		return notBlocked
	}
	return admin.WriteJSON(w, map[string]int{"removed": removed})
}

// readAdminBody reads a block as a JSON body.
func readAdminBody(w http.ResponseWriter, r *http.Request, into any) error {
	return admin.Read(w, r, into, "mask, expires (RFC 3339), reason and by")
}
