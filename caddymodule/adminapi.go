package caddymodule

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI serves Wikiveil's part of Caddy's admin API:
//
//	GET  /wikiveil/keys          the key ring's ids and times
//	POST /wikiveil/keys/rotate   plans a new epoch {?force}, and responds as above
//	POST /wikiveil/keys/keep     keeps an old epoch {id}, and responds as above
//	POST /wikiveil/keys/remove   has an old epoch destroyed {id, ?now}, and responds as above
//	GET  /wikiveil/clock         whether this machine's clock is believed
//	POST /wikiveil/clock/confirm confirms it, and responds as above
//	GET  /wikiveil/blocks        the edge's own block list
//	POST /wikiveil/blocks        adds a block {mask, expires, reason, by}, and responds as above
//	POST /wikiveil/blocks/remove removes the block of {mask, reason, by}
//	GET  /wikiveil/audit/checkpoint the published checkpoints of the audit logs
//	POST /wikiveil/audit/verify  verifies this node's audit log, against {public_key, checkpoints} too
//	GET  /wikiveil/backup        the data_dir that is in use
//	POST /wikiveil/backup        a backup of the files in it {data_dir}, which is to be that one
//	GET  /wikiveil/tools         how the tools of the noticeboard stand
//	POST /wikiveil/tools/disable disables a tool or a part of it {tool, url, by, why}
//	POST /wikiveil/tools/enable  takes that back
//	GET  /wikiveil/tools/canary  how the tools' canaries fare {?tool: with all kept transcripts}
//	POST /wikiveil/tools/canary  runs a tool's canary now {tool}
//	GET  /wikiveil/csp/rollout   how far policies are rolled out, as a page for browsers
//	POST /wikiveil/csp/rollout   changes that {site, rollout, reset, by}, and responds as above
//	GET  /wikiveil/csp/reports   what a site collected {?site, first, last}, with its policies and tools
//	GET  /wikiveil/csp/forecast  what enforcing the policy would break {?site, first, last}, as a page or JSON
//
// No response holds a secret, nor, in the clear, what an entry of the audit log says.
type adminAPI struct {
	logger *zap.Logger
}

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
		{Pattern: adminKeepKey, Handler: caddy.AdminHandlerFunc(a.keepKey)},
		{Pattern: adminRemoveKey, Handler: caddy.AdminHandlerFunc(a.removeKey)},
		{Pattern: adminClock, Handler: caddy.AdminHandlerFunc(a.showClock)},
		{Pattern: adminConfirmClock, Handler: caddy.AdminHandlerFunc(a.confirmClock)},
		{Pattern: adminBlocks, Handler: caddy.AdminHandlerFunc(a.serveBlocks)},
		{Pattern: adminRemoveBlocks, Handler: caddy.AdminHandlerFunc(a.removeBlocks)},
		{Pattern: adminAuditCheckpoint, Handler: caddy.AdminHandlerFunc(a.auditCheckpoint)},
		{Pattern: adminAuditVerify, Handler: caddy.AdminHandlerFunc(a.verifyAudit)},
		{Pattern: adminBackup, Handler: caddy.AdminHandlerFunc(a.serveBackup)},
		{Pattern: adminTools, Handler: caddy.AdminHandlerFunc(a.listTools)},
		{Pattern: adminDisableTools, Handler: caddy.AdminHandlerFunc(a.disableTool)},
		{Pattern: adminEnableTools, Handler: caddy.AdminHandlerFunc(a.enableTool)},
		{Pattern: adminCanary, Handler: caddy.AdminHandlerFunc(a.serveCanary)},
		{Pattern: adminRollout, Handler: caddy.AdminHandlerFunc(a.serveRollout)},
		{Pattern: adminReports, Handler: caddy.AdminHandlerFunc(a.serveReports)},
		{Pattern: adminForecast, Handler: caddy.AdminHandlerFunc(a.serveForecast)},
	}
}

// runningApp returns the app of the config that runs. The admin endpoint starts before apps are
// made, and some of them no config names, so each request looks for itself.
func runningApp() (*App, error) {
	running := caddy.ActiveContext()
	if running.Context == nil { // sites may be served already: Caddy names its config last
		return nil, caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: errors.New("the edge is starting or ending; try again in a moment")}
	}
	app, err := running.AppIfConfigured("wikiveil")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("the running config uses nothing of wikiveil")}
	}
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

func methodNotAllowed(r *http.Request) error {
	return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s is not allowed here", r.Method)}
}

// Interface guards
var (
	_ caddy.AdminRouter = (*adminAPI)(nil)
	_ caddy.Provisioner = (*adminAPI)(nil)
)
