package policy

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/rollout"
)

// rolloutBooks holds the rollouts in use, over config reloads.
var rolloutBooks = pool.New[*rollout.Book]("rollouts")

// validateRollout checks what can be checked of the option alone.
func (c *CSP) validateRollout() (err error) {
	if c.Rollout == "" {
		return nil
	}
	if c.share, err = rollout.ParseShare(c.Rollout); err != nil {
		return err
	}
	if c.Mode != "" {
		return errors.New("rollout says the mode of each client's policy: leave mode out")
	}
	if c.ReportOnly != nil {
		return errors.New("report_only is for another policy than the one that is rolled out: use one of both")
	}
	return nil
}

var errNoMaskForRollout = errors.New("rollout tells clients apart by their masks: the site needs client_mask")

// checkSite checks, when a config is provisioned, what a directive with reports or a
// rollout needs around it.
func (c *CSP) checkSite(ctx caddy.Context) error {
	if c.Site == "" {
		return errors.New("csp: reports and rollout need the site's name: set site")
	}
	if len(c.Site) > rollout.MaxText {
		return fmt.Errorf("csp: the site's name is longer than %d bytes", rollout.MaxText)
	}
	if c.Rollout != "" && !hasClientMask(ctx) {
		return fmt.Errorf("csp: %w", errNoMaskForRollout)
	}
	return nil
}

// hasClientMask reports whether there is a client_mask in the routes around the module that is being provisioned.
func hasClientMask(ctx caddy.Context) bool { return len(configcheck.Around(ctx, "client_mask")) > 0 }

// enforces reports whether the policy is enforced for the client of a request.
func (c *CSP) enforces(state *reqstate.State) bool {
	if state.Enforcing == reqstate.Undecided {
		share := c.site.share()
		// Without a mask, as in an error route ahead of client_mask, the safe side is to enforce.
		enforced := share != rollout.Report
		if client := state.Client; client != nil {
			enforced = c.site.groups.Enforced(client.AllMasks()[0], share)
		}
		if state.Enforcing = reqstate.No; enforced {
			state.Enforcing = reqstate.Yes
		}
	}
	return state.Enforcing == reqstate.Yes
}

// subresources are the destinations (Fetch, section 2.2.5) whose own policy counts for nothing.
var subresources = []string{"audio", "audioworklet", "empty", "font", "image", "json", "manifest", "paintworklet", "report", "script", "style", "track", "video", "xslt"}

// askInFull drops what would let the app respond that a page is unchanged. With a 304 a
// cache keeps the stored headers that the 304 does not have (RFC 9111, section 3.2), and
// Chromium goes on to enforce a policy that has become report-only.
func askInFull(r *http.Request) {
	dest := r.Header.Get("Sec-Fetch-Dest")
	if slices.Contains(subresources, dest) || dest == "" && !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return
	}
	dropConditions(r)
}

func dropConditions(r *http.Request) {
	delete(r.Header, "If-None-Match")
	delete(r.Header, "If-Modified-Since")
}
