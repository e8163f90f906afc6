package anonproxy

import (
	"net/http"
	"net/url"
	"strings"
)

// maxRedirects is how many redirects of a tool are followed.
const maxRedirects = 3

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow returns where a redirect leads, if the tool is declared to be there.
func (up *upstream) follow(from *url.URL, location []string) (*url.URL, *refusal) {
	if len(location) != 1 {
		return nil, badResponse("the tool redirects to nowhere, or to two places")
	}
	to, err := from.Parse(location[0])
	switch {
	case err != nil || to.Opaque != "":
		return nil, badResponse("the tool redirects to a malformed address")
	case to.User != nil:
		return nil, badResponse("the tool redirects with a user name")
	case to.Scheme != up.origin.Scheme:
		return nil, badResponse("the tool redirects to another scheme than its own")
	case len(to.EscapedPath())+len(to.RawQuery) > maxURL || hasForbiddenByte(to.RawQuery):
		return nil, badResponse("the tool redirects to a malformed or overlong address")
	}
	host := strings.TrimSuffix(strings.ToLower(to.Host), ":"+defaultPort(to.Scheme))
	if !up.origins[to.Scheme+"://"+host] {
		return nil, badResponse("the tool redirects to a host that isn't declared")
	}
	return &url.URL{
		Scheme: to.Scheme, Host: host,
		Path: to.Path, RawPath: to.RawPath, RawQuery: to.RawQuery, ForceQuery: to.ForceQuery,
	}, nil
}
