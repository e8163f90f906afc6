package edge

import (
	"html/template"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/internal/page"
)

// ReaderPath is where readers see what is known of them: client_mask's page, to which its site's handlers add.
const ReaderPath = "/.privacy/"

// Section is a part of that page. Its texts are messages in the reader's language.
type Section struct {
	// ID is the element's, by which links lead to the section.
	ID, Title string
	// Text are its paragraphs, or forms; List what comes below them.
	Text, List []template.HTML
}

// Teller is a handler that has something to tell a reader on that page, such as what their browser lets through. It is asked in the order of
// the site's handlers, with the request for the page, and tells nothing that another reader may not know of this one. No section is none.
type Teller interface {
	TellReader(r *http.Request, frame page.Frame) []Section
}

// Tellers returns the tellers on the site of a handler, of the server that got a request.
func Tellers(r *http.Request, self caddyhttp.MiddlewareHandler) []Teller {
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil
	}
	tellers, _ := tellersBeside(server.Routes, self)
	return tellers
}

// tellersBeside returns those of the narrowest routes for one host that hold a handler, and whether any do.
func tellersBeside(routes caddyhttp.RouteList, self caddyhttp.MiddlewareHandler) (tellers []Teller, holds bool) {
	for _, route := range routes {
		var own []Teller
		here, ofHost := false, forHost(route)
		for _, handler := range route.Handlers {
			here = here || handler == self
			if teller, ok := handler.(Teller); ok {
				own = append(own, teller)
			}
			if sub, ok := handler.(*caddyhttp.Subroute); ok {
				inner, within := tellersBeside(sub.Routes, self)
				if within && ofHost {
					return inner, true
				}
				own, here = append(own, inner...), here || within
			}
		}
		if here || !ofHost { // else it is another site's
			tellers, holds = append(tellers, own...), holds || here
		}
	}
	return tellers, holds
}

// forHost reports whether a route is for some hosts alone.
func forHost(route caddyhttp.Route) bool {
	return slices.ContainsFunc(route.MatcherSets, func(set caddyhttp.MatcherSet) bool {
		return slices.ContainsFunc(set, func(matcher any) bool {
			switch matcher.(type) {
			case caddyhttp.MatchHost, *caddyhttp.MatchHost:
				return true
			}
			return false
		})
	})
}
