package edge

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI serves Wikiveil's part of Caddy's admin API: what was handed to HandleAdmin. No response holds a secret, nor,
// in the clear, what an entry of the audit log says.
type adminAPI struct{}

// adminHandler responds for the app of the config that runs.
type adminHandler func(app *App, w http.ResponseWriter, r *http.Request) error

var adminRoutes []caddy.AdminRoute

// HandleAdmin has requests of these methods to a path of the admin API, below /wikiveil/, handled. Call it in init.
func HandleAdmin(path string, handle adminHandler, methods ...string) {
	adminRoutes = append(adminRoutes, caddy.AdminRoute{Pattern: path, Handler: caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if !slices.Contains(methods, r.Method) {
			return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s is not allowed here", r.Method)}
		}
		app, err := RunningApp()
		if err != nil {
			return err
		}
		return handle(app, w, r)
	})})
}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.wikiveil", New: func() caddy.Module { return new(adminAPI) }}
}

// Routes implements caddy.AdminRouter.
func (adminAPI) Routes() []caddy.AdminRoute { return adminRoutes }

// RunningApp returns the app of the config that runs. The admin endpoint starts before apps are
// made, and some of them no config names, so each request looks for itself.
func RunningApp() (*App, error) {
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

// Interface guard
var _ caddy.AdminRouter = (*adminAPI)(nil)
