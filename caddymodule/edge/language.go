package edge

import (
	"net/http"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/internal/i18n"
)

// Localized returns the request for pages and messages of the edge: with the language of its site, where the reader's browser asks for none that
// there is. Handlers call it where they begin to answer themselves, since few requests need it.
func (a *App) Localized(r *http.Request) *http.Request {
	site := reqstate.Known(r).Language
	if site == nil && a != nil {
		site, _ = i18n.Parse(a.Language)
	}
	if site == nil {
		return r
	}
	return r.WithContext(i18n.WithSite(r.Context(), site))
}
