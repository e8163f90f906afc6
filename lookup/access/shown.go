package access

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

const (
	// usersAtOnce is how many users MediaWiki takes in one request.
	usersAtOnce = 50
	// contributionsAtOnce is what everybody gets: with "max" the response to who has the right apihighlimits would be longer than maxResponse.
	contributionsAtOnce = "500"
)

// Shown returns those of masks under which the wiki shows contributions to the visitor, in the same order. It is asked with
// the visitor's session, so what is hidden from them stays so. It stops when it has found at least enough.
//
// The error is a [*refusal.Refusal], of reason [Anonymous], or [Unavailable] where the wiki doesn't say it.
func (m *MediaWiki) Shown(r *http.Request, masks []netip.Addr, enough int) ([]netip.Addr, error) {
	cookies, err := m.sessionCookies(r)
	if err != nil || cookies == "" {
		return nil, anonymous(err)
	}
	if err := m.begin(); err != nil {
		return nil, notSaid(err)
	}
	defer m.underWay.Done()
	ctx, cancel := context.WithTimeout(r.Context(), m.config.Timeout)
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	leave, err := m.places.take(ctx, "", true) // their session was admitted a moment ago
	if err != nil {
		return nil, notSaid(err)
	}
	defer leave()
	shown := make(map[netip.Addr]bool)
	for some := range slices.Chunk(masks, usersAtOnce) {
		if err := m.addShown(ctx, shown, cookies, some, enough); err != nil {
			return nil, notSaid(err)
		}
	}
	return slices.DeleteFunc(slices.Clone(masks), func(mask netip.Addr) bool { return !shown[mask] }), nil
}

// addShown adds those of masks, as many as the wiki takes.
func (m *MediaWiki) addShown(ctx context.Context, shown map[netip.Addr]bool, cookies string, masks []netip.Addr, enough int) error {
	for rest := slices.Clone(masks); len(rest) > 0 && len(shown) < enough; {
		data, err := m.fetch(ctx, cookies, contributionsOf(rest))
		if err != nil {
			return err
		}
		users, more, err := parseContributions(data)
		if err != nil {
			return err
		}
		before := len(rest)
		rest = slices.DeleteFunc(rest, func(mask netip.Addr) bool {
			if users[mask] {
				shown[mask] = true
			}
			return users[mask]
		})
		if len(rest)+len(users) != before {
			return errResponse // it tells of others than were asked for
		}
		if !more {
			break
		}
		if len(users) == 0 {
			return errResponse
		}
		// One had so many that the others have no place in the response: they are asked for alone.
	}
	return nil
}

func contributionsOf(masks []netip.Addr) url.Values {
	names := make([]string, len(masks))
	for i, mask := range masks {
		names[i] = mask.String()
	}
	return url.Values{"action": {"query"}, "list": {"usercontribs"}, "ucuser": {strings.Join(names, "|")},
		"ucprop": {"ids"}, "uclimit": {contributionsAtOnce}, "format": {"json"}, "formatversion": {"2"}}
}

// parseContributions reads whose contributions a response to list=usercontribs has, and whether there are more.
func parseContributions(data []byte) (users map[netip.Addr]bool, more bool, err error) {
	var form struct {
		Error    *struct{ Code string }
		Errors   json.RawMessage
		Continue json.RawMessage
		Query    struct {
			UserContribs *[]struct{ User string }
		}
	}
	if err := json.Unmarshal(data, &form); err != nil {
		return nil, false, errResponse
	}
	if form.Error != nil && errorCode.MatchString(form.Error.Code) {
		return nil, false, fmt.Errorf("the wiki answered with the error %s", form.Error.Code)
	}
	if form.Error != nil || form.Errors != nil || form.Query.UserContribs == nil {
		return nil, false, errResponse
	}
	users = make(map[netip.Addr]bool)
	for _, c := range *form.Query.UserContribs {
		mask, err := netip.ParseAddr(c.User)
		if err != nil {
			return nil, false, errResponse
		}
		users[mask] = true
	}
	return users, form.Continue != nil, nil
}
