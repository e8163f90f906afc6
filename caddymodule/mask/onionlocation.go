package mask

import (
	"bytes"
	"crypto/sha3"
	"encoding/base32"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
)

// checkOnion reports what is wrong with the address of an onion service: a wrong one would lead readers to somebody else.
func checkOnion(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	name, isOnion := strings.CutSuffix(u.Hostname(), ".onion")
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || !isOnion || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q isn't of the form http://NAME.onion", address)
	case !isOnionName(name[strings.LastIndexByte(name, '.')+1:]):
		return fmt.Errorf("%q has a wrong name: its checksum doesn't fit", address)
	}
	return nil
}

// isOnionName reports whether a name is that of a version 3 onion service: public key, checksum and version in base32
// (https://spec.torproject.org/rend-spec/encoding-onion-addresses.html).
func isOnionName(name string) bool {
	data, err := base32.StdEncoding.DecodeString(strings.ToUpper(name))
	if err != nil || len(data) != 35 || data[34] != 3 {
		return false
	}
	sum := sha3.Sum256(bytes.Join([][]byte{[]byte(".onion checksum"), data[:32], data[34:]}, nil))
	return bytes.Equal(sum[:2], data[32:34])
}

// onionLocation returns where the onion service has what a request asks for; empty where the response isn't to say so.
func (h *ClientMask) onionLocation(r *http.Request) string {
	if h.OnionLocation == "" || !isSafe(r.Method) || !reqstate.IsHTTPS(r) || strings.HasSuffix(strings.ToLower(r.Host), ".onion") {
		return ""
	}
	asked := r.URL
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		asked = original.URL
	}
	return h.OnionLocation + asked.RequestURI()
}

// tellOnion has a page name its place in the onion service, which Tor Browser offers to go to, unless the app named one.
func tellOnion(h http.Header, location string) {
	if kind, _, _ := mime.ParseMediaType(h.Get("Content-Type")); kind == "text/html" && h["Onion-Location"] == nil {
		h.Set("Onion-Location", location)
	}
}

// errOnionObserve: in mode observe, client_mask leaves responses alone.
var errOnionObserve = errors.New("onion_location needs mode mask")
