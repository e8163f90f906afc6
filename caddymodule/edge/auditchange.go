package edge

import (
	"context"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/lookup/audit"
)

// AuditTo has changes by operators written into an audit log. Before requests are let in only.
func (a *App) AuditTo(record func(context.Context, audit.Entry) error) { a.recordChange = record }

// AuditChange writes a change into the audit before it is made, where there is an audit log.
func (a *App) AuditChange(r *http.Request, entry audit.Entry) error {
	if a.recordChange == nil {
		return nil
	}
	if err := a.recordChange(r.Context(), entry); err != nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("nothing was changed: %w", err)}
	}
	return nil
}
