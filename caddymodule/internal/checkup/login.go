package checkup

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// loginElsewhere are extensions by which a form of the wiki leads to another origin, by their names in Special:Version.
var loginElsewhere = []string{"OAuth", "PluggableAuth", "OpenID Connect", "OpenIDConnect", "SimpleSAMLphp", "WSOAuth", "CentralAuth"}

// login tells whether the policy lets a form of the wiki lead to another origin, as a login there ends with it.
func (w *Wiki) login(ctx context.Context, v *visit) Finding {
	extension := v.has(loginElsewhere...)
	if extension == "" {
		return Finding{Check: checkLogin, Level: OK, What: "the wiki has no extension by which people log in elsewhere"}
	}
	resp, err := w.get(ctx, "index.php", url.Values{"title": {"Special:UserLogin"}}, nil)
	if err != nil {
		return Finding{checkLogin, Untold, fmt.Sprintf("the login page can't be had: %v", err), "", "log in by " + extension + " in a browser"}
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	if formsStayHere(resp.Header) {
		return Finding{checkLogin, Error, "the policy's form-action stops logins by " + extension + ": a browser follows a form to no other origin", Caddyfile,
			"csp { allow form-action https://LOGIN.EXAMPLE }, or no `allow form-action` at all; or take form-action out of the policy that the wiki itself sets"}
	}
	return Finding{Check: checkLogin, Level: OK, What: "the policy lets logins by " + extension + " leave the wiki"}
}

// formsStayHere reports whether an enforced policy lets forms lead to the page's own origin alone.
func formsStayHere(header http.Header) bool {
	for _, line := range header.Values("Content-Security-Policy") {
		for policy := range strings.SplitSeq(line, ",") {
			for directive := range strings.SplitSeq(policy, ";") {
				words := strings.Fields(strings.ToLower(directive))
				if len(words) > 0 && words[0] == "form-action" {
					if !slices.ContainsFunc(words[1:], func(source string) bool { return source != "'self'" && source != "'none'" }) {
						return true
					}
					break // the first of a policy counts
				}
			}
		}
	}
	return false
}
