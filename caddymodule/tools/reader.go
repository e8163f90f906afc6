package tools

import (
	"encoding/base64"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/anonproxy/leakguard"
	"github.com/wikiveil/wikiveil/caddymodule/internal/clientaddr"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/masking"
)

// toolReader tells the anonymizing proxy who sends a request.
type toolReader struct {
	ignore []string // cookies that aren't looked for, as patterns of path.Match
}

// reader collects what a request says of its sender. The mask, the cookies of the edge and the user
// of an authentication are known if their handlers come before.
func (t toolReader) reader(r *http.Request) anonproxy.Reader {
	var reader anonproxy.Reader
	state := reqstate.Known(r)
	cookies := state.Rare().Cookies
	if cookies == nil {
		cookies = r.Header["Cookie"]
	}
	reader.Secrets = make([]leakguard.Secret, 0, secretsOf(state, cookies))
	addClient(r, state, &reader)
	for _, line := range cookies {
		for pair := range strings.SplitSeq(line, ";") {
			name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if value = strings.Trim(value, `"`); ok && value != "" {
				t.addCookie(&reader, name, value)
			}
		}
	}
	for _, value := range r.Header["Authorization"] {
		addAuthorization(&reader, value)
	}
	for _, tool := range state.Rare().Exempt {
		if tool.Names != "" {
			reader.Named = append(reader.Named, tool.Name)
		}
	}
	if id, _ := reqstate.User(r); id != "" {
		add(&reader, leakguard.FieldUser, id)
	}
	return reader
}

// secretsOf is room for what a request says, for nearly all.
func secretsOf(state *reqstate.State, cookies []string) int {
	room := 2 // an address, and its mask or a user
	if state.Client != nil {
		room += strings.Count(state.Client.Networks, ",") + 1
	}
	for _, line := range cookies {
		room += strings.Count(line, ";") + 1
	}
	return room
}

func add(reader *anonproxy.Reader, field, value string) {
	reader.Secrets = append(reader.Secrets, leakguard.Secret{Field: field, Value: value})
}

// addClient adds the address, the client's mask and those of its networks.
func addClient(r *http.Request, state *reqstate.State, reader *anonproxy.Reader) {
	if client := state.Client; client != nil {
		reader.Client = client.Mask
		add(reader, leakguard.FieldMask, client.Mask)
		for network := range client.NetworkMasks() {
			add(reader, leakguard.FieldMask, network)
		}
		add(reader, leakguard.FieldAddress, client.Addr.String())
	} else if addr, _, refused := clientaddr.Of(r, reqstate.VarsOf(r)); refused == nil {
		reader.Client = passingName(addr)
		add(reader, leakguard.FieldAddress, addr.String())
	}
	if state.Masked() != nil {
		return // the mask is what the headers say
	}
	for _, line := range r.Header["X-Forwarded-For"] {
		for text := range strings.SplitSeq(line, ",") {
			if addr, err := netip.ParseAddr(strings.TrimSpace(text)); err == nil {
				add(reader, leakguard.FieldAddress, addr.Unmap().WithZone("").String())
			}
		}
	}
}

// passing is the key of names that last no longer than the process.
var passing = maphash.MakeSeed()

// passingName stands for a client where no mask does.
func passingName(addr netip.Addr) string {
	return strconv.FormatUint(maphash.Comparable(passing, reqstate.Prefix(addr, masking.DefaultV6Prefix)), 36)
}

// addCookie adds a cookie as what it seems to be. MediaWiki's and CentralAuth's are known by their names. Others,
// unless they are ignored, are a user's name, a user's id or a session if name and value look like that, else just a
// cookie.
func (t toolReader) addCookie(reader *anonproxy.Reader, name, value string) {
	switch field := wikiCookie(name); {
	case field == leakguard.FieldUser:
		add(reader, field, userName(value))
		return
	case field != "":
		add(reader, field, value)
		return
	}
	for _, pattern := range t.ignore {
		if ok, _ := path.Match(pattern, name); ok { // the patterns are good
			return
		}
	}
	lower := strings.ToLower(name)
	switch {
	case strings.HasSuffix(lower, "_user") || strings.HasSuffix(lower, "username"):
		if user := userName(value); isNameLike(user) {
			add(reader, leakguard.FieldUser, user)
			return
		}
	case strings.HasSuffix(lower, "userid"):
		add(reader, leakguard.FieldUserID, value)
		return
	case (strings.Contains(lower, "sess") || strings.HasSuffix(lower, "token") || lower == "connect.sid") && leakguard.IsKey(value):
		add(reader, leakguard.FieldSession, value)
		return
	}
	if len(name) > 64 {
		name = name[:64]
	}
	reader.Secrets = append(reader.Secrets, leakguard.Secret{Field: leakguard.FieldCookie, Name: name, Value: value})
}

// wikiCookie returns what a cookie of MediaWiki or CentralAuth holds, whose names end so: wikiUserName, wiki_session,
// centralauth_User.
func wikiCookie(name string) string {
	for _, known := range [...]struct{ ending, field string }{
		{"UserName", leakguard.FieldUser}, {"_User", leakguard.FieldUser}, {"UserID", leakguard.FieldUserID},
		{"_session", leakguard.FieldSession}, {"_Session", leakguard.FieldSession}, {"_Token", leakguard.FieldSession},
	} {
		if strings.HasSuffix(name, known.ending) {
			return known.field
		}
	}
	return ""
}

func userName(value string) string {
	if plain, err := url.QueryUnescape(value); err == nil {
		return plain
	}
	return value
}

// isNameLike reports whether a value may be a user's name rather than a setting such as "true" or "new": it has a
// letter, and something that isn't a small one, such as a capital or a digit.
func isNameLike(value string) bool {
	return strings.ContainsFunc(value, func(r rune) bool { return r < 'a' || r > 'z' }) && strings.ContainsFunc(value, unicode.IsLetter)
}

// addAuthorization adds the credentials of an Authorization header, Basic ones in plain too.
func addAuthorization(reader *anonproxy.Reader, value string) {
	scheme, credentials, ok := strings.Cut(strings.TrimSpace(value), " ")
	if !ok {
		credentials = scheme
	}
	credentials = strings.TrimSpace(credentials)
	add(reader, leakguard.FieldSession, credentials)
	if !strings.EqualFold(scheme, "basic") {
		return
	}
	if plain, err := base64.StdEncoding.DecodeString(credentials); err == nil {
		user, password, _ := strings.Cut(string(plain), ":")
		add(reader, leakguard.FieldUser, user)
		add(reader, leakguard.FieldSession, password)
	}
}

// validateIgnored tells what is wrong with patterns of cookies' names.
func validateIgnored(patterns []string) error {
	for _, pattern := range patterns {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return fmt.Errorf("leak_guard_ignore %q isn't a cookie's name, nor a pattern such as skin_*", pattern)
		}
		if strings.Trim(pattern, "*") == "" {
			return errors.New("leak_guard_ignore would leave out all cookies: name those that say nothing of a reader")
		}
	}
	return nil
}
