package confirm

import (
	"crypto/rand"
	"net/http"

	"github.com/wikiveil/wikiveil/internal/page"
)

// SetHeaders sets what every page of the flow's origin needs: nothing runs, loads,
// frames, keeps or opens it. It returns the nonce for the page's style element,
// new each time. [Pages] calls it by itself.
//
// The policy lets a form go to the flow's own origin and on to the wiki's: browsers
// follow the redirect after a form only where form-action names its goal.
// Redirect within the wiki's origin after the commit, too.
func (f *Flow) SetHeaders(h http.Header) (nonce string) {
	nonce = rand.Text() // at least 128 bits, in characters that CSP takes
	page.Protect(h, page.Policy(page.Nonce(nonce), "'self' "+f.wiki))
	return nonce
}
