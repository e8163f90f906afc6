package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/lookup/audit"
)

const (
	adminAuditCheckpoint = "/wikiveil/audit/checkpoint"
	adminAuditVerify     = "/wikiveil/audit/verify"
)

// maxAuditBody is some thousand checkpoints.
const maxAuditBody = 4 << 20

// runningAudit returns the audit log of the config that runs.
func runningAudit() (*auditLog, error) {
	app, err := runningApp()
	if err != nil {
		return nil, err
	}
	if log := app.lookups.log; log != nil {
		return log, nil
	}
	return nil, caddy.APIError{HTTPStatus: http.StatusNotFound,
		Err: errors.New("the running config keeps no audit log: no site has mask_info or mask_reveal")}
}

// auditCheckpoint responds with what is public anyway. What entries say no admin endpoint tells: that is for
// those with the right to read the audit.
func (a *adminAPI) auditCheckpoint(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return methodNotAllowed(r)
	}
	log, err := runningAudit()
	if err != nil {
		return err
	}
	logs, err := log.publishedLogs(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, logs)
}

// verifyAudit verifies this node's log, against the checkpoints in the body too.
func (a *adminAPI) verifyAudit(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return methodNotAllowed(r)
	}
	log, err := runningAudit()
	if err != nil {
		return err
	}
	var saved publishedLogs
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAuditBody))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(&saved)
	switch {
	case errors.Is(err, io.EOF): // no body
	case errors.Is(err, audit.ErrCheckpoint):
		return badRequest(err)
	case err != nil || decoder.More():
		return badRequest(errors.New("the body is not one JSON object with the fields public_key and checkpoints"))
	}
	report, err := log.verifyRunning(saved)
	if errors.Is(err, errNoneFollowed) {
		return badRequest(err)
	}
	if err != nil {
		return err
	}
	if !report.Intact {
		a.logger.Error("audit log is not intact", zap.String("fault", report.Fault))
	}
	return writeJSON(w, report)
}

// auditChange writes a change into the audit before it is made, where there is an audit log.
func (a *App) auditChange(r *http.Request, entry audit.Entry) error {
	log := a.lookups.log
	if log == nil {
		return nil
	}
	if _, err := log.Append(r.Context(), entry); err != nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("nothing was changed: %w", err)}
	}
	return nil
}
