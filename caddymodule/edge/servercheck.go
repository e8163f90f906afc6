package edge

import (
	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
)

// CheckServers refuses a config that leads requests past client_mask to an app, or error pages out past csp. It looks at
// the JSON of all servers, whatever they came from, and once for a config.
func (a *App) CheckServers(ctx caddy.Context) error {
	app := configcheck.HTTPApp(ctx)
	if app == nil {
		return nil
	}
	a.serversOnce.Do(func() {
		a.serversErr = configcheck.Servers(app, a.logger, configcheck.Cover{Handler: "client_mask"},
			configcheck.Cover{Handler: "csp", ErrorsOnly: true, Answers: true})
	})
	return a.serversErr
}
