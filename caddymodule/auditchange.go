package caddymodule

import (
	"context"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/lookup/audit"
)

// auditTo has changes by operators written into an audit log. Before requests are let in only.
func (a *App) auditTo(record func(context.Context, audit.Entry) error) { a.recordChange = record }

// auditChange writes a change into the audit before it is made, where there is an audit log.
func (a *App) auditChange(r *http.Request, entry audit.Entry) error {
	if a.recordChange == nil {
		return nil
	}
	if err := a.recordChange(r.Context(), entry); err != nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("nothing was changed: %w", err)}
	}
	return nil
}
