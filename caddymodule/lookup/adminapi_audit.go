package lookup

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

const (
	adminAuditCheckpoint = "/wikiveil/audit/checkpoint"
	adminAuditVerify     = "/wikiveil/audit/verify"
)

func init() {
	edge.HandleAdmin(adminAuditCheckpoint, auditCheckpoint, http.MethodGet) // the published checkpoints of the audit logs
	edge.HandleAdmin(adminAuditVerify, verifyAudit, http.MethodPost)        // verifies this node's audit log, against {public_key, checkpoints} too
}

// maxAuditBody is some thousand checkpoints.
const maxAuditBody = 4 << 20

// runningAudit returns the audit log of the config that runs.
func runningAudit(app *edge.App) (*auditLog, error) {
	if log := lookupParts.Of(app).log; log != nil {
		return log, nil
	}
	return nil, caddy.APIError{HTTPStatus: http.StatusNotFound,
		Err: errors.New("the running config keeps no audit log: no site has mask_info or mask_reveal")}
}

// auditCheckpoint responds with what is public anyway. What entries say no admin endpoint tells: that is for
// those with the right to read the audit.
func auditCheckpoint(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	log, err := runningAudit(app)
	if err != nil {
		return err
	}
	logs, err := log.publishedLogs(r.Context())
	if err != nil {
		return err
	}
	return admin.WriteJSON(w, logs)
}

// verifyAudit verifies this node's log, against the checkpoints in the body too.
func verifyAudit(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	log, err := runningAudit(app)
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
		return admin.BadRequest(err)
	case err != nil || decoder.More():
		return admin.BadRequest(errors.New("the body is not one JSON object with the fields public_key and checkpoints"))
	}
	report, err := log.verifyRunning(saved)
	if errors.Is(err, audit.ErrNoneFollowed) {
		return admin.BadRequest(err)
	}
	if err != nil {
		return err
	}
	if !report.Intact {
		app.Logger().Error("audit log is not intact", zap.String("fault", report.Fault))
	}
	return admin.WriteJSON(w, report)
}
