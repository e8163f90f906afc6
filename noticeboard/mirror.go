package noticeboard

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"path"
	"strings"
)

// mirrorForm goes into the versions of mirrored files. It changes with the way in
// which style sheets are rewritten.
const mirrorForm = "wikiveil/v1/mirror"

// maxMirrorPath leaves room for the mirror's own part of an address.
const maxMirrorPath = 7 << 10

// MirrorAddress tells where the wiki serves a file of a mirror.
//
// A file at `https://HOST/path?query` of the tool NAME is at three addresses:
//
//   - `/.tools/NAME/path?query`, if HOST is the tool's origin and the path doesn't
//     begin with `/~`
//   - `/.tools/NAME/~HOST/path?query`
//   - `/.tools/NAME/~VERSION/HOST/path?query`
//
// No host looks like a version, so no two files have the same address.
type MirrorAddress struct {
	MirrorFile

	// URL is where the file is fetched from.
	URL string `json:"url"`

	// Address is where the file is, whatever its hash: a browser asks again after an
	// hour at most.
	Address string `json:"address"`

	// Versioned is an address that changes with the content, so that a browser may
	// keep it for good.
	Versioned string `json:"versioned_address"`

	// Version stands in Versioned: 16 hexadecimal digits of a hash of the file's
	// integrity, and for what may be a style sheet of all that it can refer to.
	Version string `json:"-"`
}

// MirrorAddresses returns where the wiki serves each file of Mirror, in that order.
// The prefix is the proxy's, such as `/.tools/`. Call it on a board's tool.
func (t *Tool) MirrorAddresses(prefix string) []MirrorAddress {
	var addresses []MirrorAddress
	for _, file := range t.Mirror {
		u, err := t.mirrorURL(file)
		if err != nil { // no board has such a tool
			continue
		}
		root, uri := prefix+t.Name, u.RequestURI()
		a := MirrorAddress{MirrorFile: file, URL: u.String(), Address: root + "/~" + u.Host + uri, Version: t.mirrorVersion(file, u)}
		a.Versioned = root + "/~" + a.Version + "/" + u.Host + uri
		if u.Scheme+"://"+u.Host == t.Origin && !strings.HasPrefix(u.Path, "/~") {
			a.Address = root + uri
		}
		addresses = append(addresses, a)
	}
	return addresses
}

// IsMirrorVersion reports whether s has the form of a version in a mirror's address.
func IsMirrorVersion(s string) bool {
	return len(s) == 16 && strings.Trim(s, "0123456789abcdef") == ""
}

// mirrorVersion is a hash of all that decides about what is served for a file.
func (t *Tool) mirrorVersion(file MirrorFile, u *url.URL) string {
	kind, mediaType, known := t.MirrorType(u.Path)
	hash := sha256.New()
	write := func(s string) { hash.Write([]byte(s + "\x00")) }
	write(mirrorForm)
	write(file.Integrity)
	write(mediaType)
	if kind == Style || !known && t.Has(Style) { // it is rewritten to addresses of the others
		for _, other := range t.Mirror {
			if at, err := t.mirrorURL(other); err == nil {
				write(at.String())
				write(other.Integrity)
			}
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

// extensions tell what files are by their names.
var extensions = map[string]struct {
	kind      Kind
	mediaType string
}{
	".js": {Script, "text/javascript"}, ".mjs": {Script, "text/javascript"},
	".css": {Style, "text/css"},
	".otf": {Font, "font/otf"}, ".ttc": {Font, "font/collection"}, ".ttf": {Font, "font/ttf"}, ".woff": {Font, "font/woff"}, ".woff2": {Font, "font/woff2"},
	".apng": {Img, "image/apng"}, ".avif": {Img, "image/avif"}, ".bmp": {Img, "image/bmp"}, ".gif": {Img, "image/gif"}, ".ico": {Img, "image/x-icon"},
	".jpeg": {Img, "image/jpeg"}, ".jpg": {Img, "image/jpeg"}, ".png": {Img, "image/png"}, ".svg": {Img, "image/svg+xml"}, ".webp": {Img, "image/webp"},
	".flac": {Media, "audio/flac"}, ".m4a": {Media, "audio/mp4"}, ".mp3": {Media, "audio/mpeg"}, ".mp4": {Media, "video/mp4"}, ".oga": {Media, "audio/ogg"},
	".ogv": {Media, "video/ogg"}, ".opus": {Media, "audio/opus"}, ".vtt": {Media, "text/vtt"}, ".wav": {Media, "audio/wav"}, ".webm": {Media, "video/webm"},
	".csv": {Data, "text/csv"}, ".geojson": {Data, "application/geo+json"}, ".json": {Data, "application/json"}, ".tsv": {Data, "text/tab-separated-values"},
	".txt": {Data, "text/plain"},
}

// MirrorType tells what a mirrored file is by its decoded path, if that ends so and
// the tool declares the kind. Of others the service's word has to tell.
func (t *Tool) MirrorType(decoded string) (kind Kind, mediaType string, known bool) {
	e, known := extensions[strings.ToLower(path.Ext(decoded))]
	if !known || !t.Has(e.kind) {
		return "", "", false
	}
	return e.kind, e.mediaType, true
}

// isMirrorPath reports whether browsers can ask for the path in one way only: it has
// no empty or dot segments, and no escapes that hide any.
func isMirrorPath(u *url.URL) bool {
	escaped := u.EscapedPath()
	lower := strings.ToLower(escaped)
	if len(u.RequestURI()) > maxMirrorPath || strings.Contains(lower, "%2e") || strings.Contains(lower, "%2f") || strings.Contains(escaped, "//") ||
		strings.ContainsFunc(u.Path, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) {
		return false
	}
	return escaped == "/" || isPrefix(strings.TrimSuffix(escaped, "/"))
}
