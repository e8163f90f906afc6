package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI serves Wikiveil's part of Caddy's admin API:
//
//	GET  /wikiveil/keys          the key ring's ids and times
//	POST /wikiveil/keys/rotate   starts a new epoch, and answers as above
//	GET  /wikiveil/blocks        the edge's own block list
//	POST /wikiveil/blocks        adds a block {mask, expires, reason, by}, and answers as above
//	POST /wikiveil/blocks/remove removes the block of {mask, reason, by}
//	GET  /wikiveil/audit/checkpoint the published checkpoints of the audit logs
//	POST /wikiveil/audit/verify  verifies this node's audit log, against {public_key, checkpoints} too
//	GET  /wikiveil/tools         how the tools of the noticeboard stand
//	POST /wikiveil/tools/disable disables a tool or a part of it {tool, url, by, why}
//	POST /wikiveil/tools/enable  takes that back
//	GET  /wikiveil/tools/canary  how the tools' canaries fare {?tool: with all kept transcripts}
//	POST /wikiveil/tools/canary  runs a tool's canary now {tool}
//	GET  /wikiveil/csp/rollout   how far policies are rolled out, as a page for browsers
//	POST /wikiveil/csp/rollout   changes that {site, rollout, reset, by}, and answers as above
//	GET  /wikiveil/csp/reports   what a site collected {?site, first, last}, with its policies and tools
//	GET  /wikiveil/csp/forecast  what enforcing the policy would break {?site, first, last}, as a page or JSON
//
// No answer holds a secret, nor what an entry of the audit log says.
type adminAPI struct {
	logger *zap.Logger
}

const (
	adminKeys   = "/wikiveil/keys"
	adminRotate = "/wikiveil/keys/rotate"
)

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.wikiveil", New: func() caddy.Module { return new(adminAPI) }}
}

// Provision implements caddy.Provisioner.
func (a *adminAPI) Provision(ctx caddy.Context) error {
	a.logger = ctx.Logger(a)
	return nil
}

// Routes implements caddy.AdminRouter.
func (a *adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: adminKeys, Handler: caddy.AdminHandlerFunc(a.listKeys)},
		{Pattern: adminRotate, Handler: caddy.AdminHandlerFunc(a.rotateKeys)},
		{Pattern: adminBlocks, Handler: caddy.AdminHandlerFunc(a.serveBlocks)},
		{Pattern: adminRemoveBlocks, Handler: caddy.AdminHandlerFunc(a.removeBlocks)},
		{Pattern: adminAuditCheckpoint, Handler: caddy.AdminHandlerFunc(a.auditCheckpoint)},
		{Pattern: adminAuditVerify, Handler: caddy.AdminHandlerFunc(a.verifyAudit)},
		{Pattern: adminTools, Handler: caddy.AdminHandlerFunc(a.listTools)},
		{Pattern: adminDisableTools, Handler: caddy.AdminHandlerFunc(a.disableTool)},
		{Pattern: adminEnableTools, Handler: caddy.AdminHandlerFunc(a.enableTool)},
		{Pattern: adminCanary, Handler: caddy.AdminHandlerFunc(a.serveCanary)},
		{Pattern: adminRollout, Handler: caddy.AdminHandlerFunc(a.serveRollout)},
		{Pattern: adminReports, Handler: caddy.AdminHandlerFunc(a.serveReports)},
		{Pattern: adminForecast, Handler: caddy.AdminHandlerFunc(a.serveForecast)},
	}
}

// keyList is the answer of both.
type keyList struct {
	// Configured is whether the secrets come from the configuration.
	Configured bool       `json:"configured"`
	Epochs     []keyEpoch `json:"epochs"`
}

type keyEpoch struct {
	ID string `json:"id"`
	// Start is missing for a configured secret.
	Start *time.Time `json:"start,omitempty"`
	// State is "current", "kept" or "planned".
	State string `json:"state"`
}

func (a *adminAPI) listKeys(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return methodNotAllowed(r)
	}
	app, err := runningApp()
	if err != nil {
		return err
	}
	return answerKeys(w, app.keys)
}

func (a *adminAPI) rotateKeys(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return methodNotAllowed(r)
	}
	app, err := runningApp()
	if err != nil {
		return err
	}
	if err := app.keys.rotate(r.Context()); err != nil {
		status := http.StatusInternalServerError
		if errors.Is(err, errConfigured) {
			status = http.StatusConflict
		}
		return caddy.APIError{HTTPStatus: status, Err: fmt.Errorf("rotating the key ring: %w", err)}
	}
	a.logger.Info("key ring rotated", zap.Stringer("current", app.keys.active.Load().list[0]))
	return answerKeys(w, app.keys)
}

// runningApp returns the app of the config that runs. The admin endpoint starts before apps are
// made, and some of them no config names, so each request looks for itself.
func runningApp() (*App, error) {
	app, err := caddy.ActiveContext().AppIfConfigured("wikiveil")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("the running config uses nothing of wikiveil")}
	}
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

func answerKeys(w http.ResponseWriter, keys *keyRing) error {
	list := keyList{Configured: keys.keeper == nil}
	current := keys.active.Load().list[0].ID()
	state := "planned"
	for _, e := range keys.ring.Load().Epochs() {
		if e.ID() == current {
			state = "current"
		}
		entry := keyEpoch{ID: e.ID(), State: state}
		if start := e.Start(); !start.IsZero() {
			entry.Start = &start
		}
		list.Epochs = append(list.Epochs, entry)
		if state == "current" {
			state = "kept"
		}
	}
	return answerJSON(w, list)
}

func methodNotAllowed(r *http.Request) error {
	return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s is not allowed here", r.Method)}
}

// Interface guards
var (
	_ caddy.AdminRouter = (*adminAPI)(nil)
	_ caddy.Provisioner = (*adminAPI)(nil)
)
