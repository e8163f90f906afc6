package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wikiveil/wikiveil/internal/text"
)

// errResponse is the error for a response that doesn't say who the user is. It quotes
// nothing of the response.
var errResponse = errors.New("the wiki's response is not of its form")

var errorCode = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

// account is what the wiki says of a user.
type account struct {
	id      int64
	name    string
	rights  []string
	blocked bool // sitewide
}

// parseResponse reads the response to action=query&meta=userinfo&uiprop=rights|blockinfo,
// formatversion 2, of MediaWiki 1.33 or later. ok is false for visitors without an account.
func parseResponse(data []byte) (a account, ok bool, err error) {
	var form struct {
		Error *struct {
			Code string `json:"code"`
		} `json:"error"`
		Errors json.RawMessage `json:"errors"`
		Query  struct {
			UserInfo map[string]json.RawMessage `json:"userinfo"`
		} `json:"query"`
	}
	if err := json.Unmarshal(data, &form); err != nil {
		return account{}, false, errResponse
	}
	if form.Error != nil && errorCode.MatchString(form.Error.Code) {
		return account{}, false, fmt.Errorf("the wiki answered with the error %s", form.Error.Code)
	}
	info := form.Query.UserInfo
	if form.Error != nil || form.Errors != nil || info == nil {
		return account{}, false, errResponse
	}
	for key, to := range map[string]any{"id": &a.id, "name": &a.name, "rights": &a.rights} {
		if err := json.Unmarshal(info[key], to); err != nil {
			return account{}, false, errResponse
		}
	}
	if a.id < 0 || a.name == "" || !text.Printable(a.name, 255) || a.rights == nil {
		return account{}, false, errResponse
	}
	// Nobody can be held to what an account made for one visit does.
	if a.id == 0 || given(info, "anon") || given(info, "temp") {
		return account{}, false, nil
	}
	a.blocked = sitewideBlock(info)
	return a, true, nil
}

// given reports whether a flag is set, in whatever way that is written.
func given(info map[string]json.RawMessage, key string) bool {
	value, ok := info[key]
	return ok && string(value) != "false"
}

// sitewideBlock: of several blocks at once MediaWiki 1.39 gives "blockid":null and no
// name, so any of its fields counts, unless it says plainly that the block is partial.
func sitewideBlock(info map[string]json.RawMessage) bool {
	for key := range info {
		if strings.HasPrefix(key, "block") {
			return string(info["blockpartial"]) != "true"
		}
	}
	return false
}

// user maps an account to a user with rights.
func (c MediaWikiConfig) user(a account) User {
	u := User{ID: WikiUsers + strconv.FormatInt(a.id, 10), Name: a.name}
	if c.Site != "" {
		u.ID = WikiUsers + c.Site + ":" + strconv.FormatInt(a.id, 10)
	}
	for right, name := range map[Right]string{Info: c.InfoRight, Reveal: c.RevealRight, Audit: c.AuditRight} {
		if slices.Contains(a.rights, name) {
			u.Rights |= Rights(right)
		}
	}
	return u
}
