package exempt

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// GrantsCookie is the name of the cookie that holds a reader's grants.
const GrantsCookie = "__Host-Http-wikiveil-exemptions"

// Config is what a site needs. Those of the wiki and of its consent origin can be
// two with the same flow and tools.
type Config struct {
	// Flow is of a purpose of its own. It signs the grants, too.
	Flow *confirm.Flow
	// Declared returns the tool of that name if readers may let it through now, as
	// [noticeboard.Live.ForConsent] does. It is asked at every request, so that a kill switch acts at once.
	Declared func(name string) (noticeboard.Entry, error)
	// Board is the path of the list of tools on the wiki. Default: none is linked to.
	Board string
	// Localhost lets developers let a port of their own machine through.
	Localhost bool
	// Fits returns an error if tools can't be let through together, as [Policies.Fits] does;
	// without it nobody is told before. The error may be a [tooLargeError].
	Fits func([]*Tool) error
	// HTTPS reports whether the browser sent a request over https; by default whether
	// this server got it so.
	HTTPS func(*http.Request) bool
	// Count is told what became of a request: "asked", "granted", "withdrawn" or a
	// refusal's reason.
	Count func(outcome string)
}

// Site has the pages of one wiki and knows its readers' grants. It is safe for
// concurrent use.
type Site struct {
	c Config
	// The pages of the consent origin.
	askPage, refusalPage *confirm.Pages
}

// New returns a site, or what is wrong with c.
func New(c Config) (*Site, error) {
	if c.Flow == nil || c.Declared == nil {
		return nil, errors.New("making exemptions: they need a flow and what is declared")
	}
	if c.HTTPS == nil {
		c.HTTPS = func(r *http.Request) bool { return r.TLS != nil }
	}
	if c.Fits == nil {
		c.Fits = func([]*Tool) error { return nil }
	}
	if c.Count == nil {
		c.Count = func(string) {}
	}
	ask, err := c.Flow.Pages(askHTML)
	if err != nil {
		return nil, fmt.Errorf("making exemptions: %w", err)
	}
	refusal, err := c.Flow.Pages(refusalHTML)
	if err != nil {
		return nil, fmt.Errorf("making exemptions: %w", err)
	}
	return &Site{c, ask, refusal}, nil
}

// Tools returns the tools that the reader who sent r let through, by name, for the policy
// of the answer. Only navigations have any: the policy that counts is the document's.
//
// An error says why grants count as none; it is no reason to refuse the request.
func (s *Site) Tools(r *http.Request) ([]*Tool, error) {
	if !isNavigation(r.Header) {
		return nil, nil
	}
	return s.Granted(r)
}

// Granted returns the tools that the reader who sent r let through, by name, whatever r is for.
// Of a script's request it is what that script says: to tell it, and for nothing else.
func (s *Site) Granted(r *http.Request) ([]*Tool, error) {
	if !s.c.HTTPS(r) {
		return nil, nil
	}
	if _, n := confirm.Cookie(r, confirm.BrowserCookie); n == 0 {
		return nil, nil
	}
	reader, err := s.reader(r)
	if err != nil {
		return nil, err
	}
	return s.active(reader.grants), reader.refused
}

// reader is what is known of a request's sender.
type reader struct {
	browser confirm.BrowserID
	grants  grants
	// refused is why there are no grants, though the request speaks of some.
	refused error
}

// reader reads and checks all but the grants' age and state. The error is about the browser
// cookie.
func (s *Site) reader(r *http.Request) (reader, error) {
	browser, err := s.c.Flow.Browser(r)
	if err != nil {
		return reader{}, err
	}
	out := reader{browser: browser.ID()}
	value, count := confirm.Cookie(r, GrantsCookie)
	switch {
	case count == 0:
	// What EnforcesPrefixes sees is not enough alone: see guardsCookies.
	case !guardsCookies(r) || !s.c.Flow.EnforcesPrefixes(r):
		out.refused = errPrefixes
	case count > 1:
		out.refused = confirm.ErrMalformed
	default:
		out.grants, out.refused = openGrants(s.c.Flow, out.browser, value)
	}
	return out, nil
}

// readerOrNone is reader for where nobody has to be known.
func (s *Site) readerOrNone(r *http.Request) reader {
	out, err := s.reader(r)
	if err != nil {
		return reader{}
	}
	return out
}

// lookup returns a declared tool or a developer's port, or nil.
func (s *Site) lookup(name string) *Tool {
	if entry, err := s.c.Declared(name); err == nil {
		return newTool(entry)
	}
	if s.c.Localhost {
		return localTool(name)
	}
	return nil
}

// active returns the tools that the grants let through now, by name.
func (s *Site) active(g grants) []*Tool {
	if len(g) == 0 {
		return nil
	}
	now := time.Now()
	tools := make([]*Tool, 0, len(g))
	for _, one := range g {
		if t := s.lookup(one.tool); one.holds(t, now) {
			tools = append(tools, t)
		}
	}
	slices.SortFunc(tools, byName)
	return tools
}

// added returns g with a new grant for t, and without those that count no more. It
// is an error if there is no room for it, in the cookie or in the policy.
func (s *Site) added(g grants, t *Tool) (grants, error) {
	now := time.Now()
	live := slices.DeleteFunc(slices.Clone(g), func(one grant) bool {
		known := s.lookup(one.tool)
		// A tool that has expired may come back unchanged.
		return !one.current(now) || known != nil && one.state != known.state
	})
	next, err := live.add(grant{t.Name, now, t.state})
	if err != nil {
		return g, err
	}
	return next, s.c.Fits(s.active(next))
}

func (s *Site) setGrants(h http.Header, browser confirm.BrowserID, g grants) error {
	if len(g) == 0 {
		confirm.SetCookie(h, GrantsCookie, "", 0)
		confirm.ForgetBrowser(h)
		return nil
	}
	value, err := g.encode()
	if err != nil {
		return err
	}
	confirm.SetCookie(h, GrantsCookie, s.c.Flow.Keep(browser, value), time.Until(g.expires()))
	return nil
}
