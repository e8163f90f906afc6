package headers

import (
	"errors"
	"mime"
	"slices"
	"strings"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// mediaTypes are the exact types that pass, by kind. None of them runs as a
// script under nosniff. XML (other than SVG as an image) passes as text, as browsers
// open it as a document; octet-stream is left out, as they guess at it.
var mediaTypes = map[noticeboard.Kind][]string{
	noticeboard.Img: {
		"image/apng", "image/avif", "image/bmp", "image/gif", "image/jpeg", "image/jxl", "image/png", "image/svg+xml",
		"image/vnd.microsoft.icon", "image/webp", "image/x-icon",
	},
	noticeboard.Font: {
		"font/collection", "font/otf", "font/sfnt", "font/ttf", "font/woff", "font/woff2",
		"application/font-woff", "application/font-woff2",
	},
	noticeboard.Style: {"text/css"},
	noticeboard.Media: {
		"audio/aac", "audio/flac", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/opus", "audio/wav", "audio/webm", "audio/x-wav",
		"video/mp4", "video/mpeg", "video/ogg", "video/quicktime", "video/webm", "application/ogg", "text/vtt",
	},
	noticeboard.Data: {
		"application/activity+json", "application/cbor", "application/feed+json", "application/geo+json", "application/geo+json-seq",
		"application/hal+json", "application/json", "application/json-seq", "application/ld+json", "application/n-quads",
		"application/n-triples", "application/problem+json", "application/sparql-results+json", "application/topo+json", "application/trig",
		"application/vnd.api+json", "application/vnd.citationstyles.csl+json", "application/vnd.mapbox-vector-tile", "application/vnd.msgpack",
		"application/x-bibtex", "application/x-ndjson", "application/x-protobuf", "application/x-research-info-systems", "application/yaml",
		"text/calendar", "text/csv", "text/markdown", "text/n3", "text/plain", "text/tab-separated-values", "text/turtle", "text/vcard", "text/x-bibtex",
	},
}

// otherNames are names that servers give to types that pass, with the name that is passed
// on: the standard one, or for XML that of plain text.
var otherNames = map[string]string{
	"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/jfif": "image/jpeg", "image/x-jpeg": "image/jpeg", "image/x-jpg": "image/jpeg",
	"image/x-png": "image/png", "image/vnd.mozilla.apng": "image/apng", "image/x-gif": "image/gif", "image/x-webp": "image/webp",
	"image/x-bmp": "image/bmp", "image/x-ms-bmp": "image/bmp", "image/x-windows-bmp": "image/bmp", "image/ico": "image/x-icon", "image/icon": "image/x-icon",

	"application/font-otf": "font/otf", "application/font-sfnt": "font/sfnt", "application/font-ttf": "font/ttf",
	"application/truetype": "font/ttf", "application/vnd.ms-opentype": "font/otf", "x-font/otf": "font/otf", "x-font/ttf": "font/ttf", "x-font/woff": "font/woff",
	"application/x-font-opentype": "font/otf", "application/x-font-otf": "font/otf", "application/x-font-truetype": "font/ttf",
	"application/x-font-ttf": "font/ttf", "application/x-font-woff": "font/woff", "application/x-font-woff2": "font/woff2", "application/x-woff": "font/woff",
	"font/opentype": "font/otf", "font/truetype": "font/ttf", "font/x-woff": "font/woff", "font/x-woff2": "font/woff2", "font/x-ttf": "font/ttf", "font/x-otf": "font/otf",

	"audio/aacp": "audio/aac", "audio/x-aac": "audio/aac", "audio/x-flac": "audio/flac", "audio/m4a": "audio/mp4", "audio/x-m4a": "audio/mp4",
	"audio/mp3": "audio/mpeg", "audio/mpeg3": "audio/mpeg", "audio/mpg": "audio/mpeg", "audio/x-mp3": "audio/mpeg", "audio/x-mpeg": "audio/mpeg",
	"audio/x-mpeg-3": "audio/mpeg", "audio/vorbis": "audio/ogg", "audio/x-ogg": "audio/ogg", "audio/vnd.wave": "audio/wav", "audio/wave": "audio/wav",
	"audio/x-pn-wav": "audio/wav", "video/m4v": "video/mp4", "video/x-m4v": "video/mp4", "video/x-mpeg": "video/mpeg", "video/x-ogg": "video/ogg", "application/x-ogg": "application/ogg",

	"text/json": "application/json", "text/x-json": "application/json", "application/x-json": "application/json",
	"application/csv": "text/csv", "application/x-csv": "text/csv", "text/comma-separated-values": "text/csv", "text/x-csv": "text/csv",
	"text/tsv": "text/tab-separated-values", "application/geojson": "application/geo+json", "application/vnd.geo+json": "application/geo+json",
	"application/jsonl": "application/x-ndjson", "application/jsonlines": "application/x-ndjson", "application/ndjson": "application/x-ndjson", "application/x-jsonlines": "application/x-ndjson",
	"application/protobuf": "application/x-protobuf", "application/vnd.google.protobuf": "application/x-protobuf", "application/x-google-protobuf": "application/x-protobuf",
	"application/mvt": "application/vnd.mapbox-vector-tile", "application/x-mvt": "application/vnd.mapbox-vector-tile", "application/x-mapbox-vector-tile": "application/vnd.mapbox-vector-tile",
	"application/pbf": "application/x-protobuf", "application/x-pbf": "application/x-protobuf",
	"application/msgpack": "application/vnd.msgpack", "application/x-msgpack": "application/vnd.msgpack",
	"application/bibtex": "application/x-bibtex", "text/bibtex": "text/x-bibtex", "application/x-yaml": "application/yaml", "text/yaml": "application/yaml", "text/x-yaml": "application/yaml",
	"application/x-turtle": "text/turtle", "text/rdf+n3": "text/n3", "text/x-markdown": "text/markdown", "text/x-vcard": "text/vcard",
	"application/xml": "text/plain", "text/xml": "text/plain",
}

// neverData are types that mean more to browsers than data, and pass under no name.
var neverData = map[string]bool{
	"application/xhtml+xml": true, "application/xslt+xml": true,
	"application/importmap+json": true, "application/manifest+json": true, "application/speculationrules+json": true,
}

// passedAs returns the kind of a media type, and the name under which it is passed on. Any
// JSON or XML passes as such or as text, as the end of its name says what it is (RFC 6838
// section 4.2.8).
func passedAs(mediaType string) (kind noticeboard.Kind, name string, ok bool) {
	name = mediaType
	if other, ok := otherNames[mediaType]; ok {
		name = other
	}
	if kind, ok = typeKinds[name]; ok || neverData[name] {
		return kind, name, ok
	}
	switch {
	case strings.HasPrefix(name, "application/") && strings.HasSuffix(name, "+json"):
		return noticeboard.Data, "application/json", true
	case strings.HasPrefix(name, "application/") && strings.HasSuffix(name, "+xml"):
		return noticeboard.Data, "text/plain", true
	}
	return "", "", false
}

// charsets are the usual encodings that a text type may name, by what they are called; see [passedCharset] for
// the others. A byte means the same ASCII in each, so none can hide markup.
var charsets = map[string]string{
	"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8",
	"iso-8859-1": "iso-8859-1", "iso-8859-15": "iso-8859-15", "windows-1252": "windows-1252",
}

// accepts is what we tell the tool we take, one constant for each kind.
var accepts = map[noticeboard.Kind]string{
	noticeboard.Img:   "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8",
	noticeboard.Font:  "font/woff2,font/woff,font/*;q=0.8",
	noticeboard.Style: "text/css",
	noticeboard.Media: "audio/*,video/*,text/vtt",
	noticeboard.Data:  "application/json,text/csv;q=0.9,text/plain;q=0.8,*/*;q=0.1",
	AnyKind:           "*/*",
	EventsKind:        EventStream,
}

// typeKinds tells which kind a media type belongs to; no type has two.
var typeKinds = func() map[string]noticeboard.Kind {
	kinds := make(map[string]noticeboard.Kind)
	for kind, types := range mediaTypes {
		for _, t := range types {
			kinds[t] = kind
		}
	}
	return kinds
}()

// Classify reads a response's Content-Type fields. It returns the kind and the
// type to pass on: exact, with no parameter but a known charset. The reason is
// "" unless the type is refused.
func Classify(fields []string) (kind noticeboard.Kind, contentType, reason string) {
	if len(fields) == 0 {
		return "", "", "has no content type"
	}
	if kind, ok := typeKinds[fields[0]]; ok && len(fields) == 1 { // the common spelling, without an allocation
		return kind, fields[0], ""
	}
	given, charset, ok := readTypes(fields)
	switch {
	case !ok && len(fields) > 1:
		return "", "", "has more than one content type"
	case !ok:
		return "", "", "has a malformed content type"
	}
	kind, mediaType, ok := passedAs(given)
	if !ok {
		return "", "", "has a content type that isn't allowed"
	}
	if charset == "" || !isText(mediaType) {
		return kind, mediaType, ""
	}
	if charset, ok = passedCharset(charset); !ok {
		return "", "", "has a charset that isn't allowed"
	}
	if charset != "" {
		mediaType += "; charset=" + charset
	}
	return kind, mediaType, ""
}

// readTypes reads Content-Type fields that all name one type, which may stand in lists
// too, as browsers read them (WHATWG Fetch, "extract a MIME type").
func readTypes(fields []string) (mediaType, charset string, ok bool) {
	for _, field := range fields {
		list := []string{field}
		if !strings.Contains(field, `"`) { // a comma may be within quotes
			list = strings.Split(field, ",")
		}
		for _, text := range list {
			one, params, err := mime.ParseMediaType(text)
			if errors.Is(err, mime.ErrInvalidMediaParameter) {
				one, params, err = mime.ParseMediaType(withoutEmpty(text))
			}
			if err != nil || mediaType != "" && one != mediaType {
				return "", "", false
			}
			mediaType = one
			if given := params["charset"]; given != "" {
				charset = given
			}
		}
	}
	return mediaType, charset, mediaType != ""
}

// withoutEmpty takes out parameters that have no value, such as `; charset`, and so mean nothing.
// Whatever else is broken could hide another type, and stays.
func withoutEmpty(text string) string {
	parts := strings.Split(text, ";")
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool {
		return isLabel(strings.TrimSuffix(strings.Trim(part, " \t"), "="))
	}), ";")
}

// isLabel reports whether a text is a plain word, or nothing.
func isLabel(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	})
}

// passedCharset returns the name under which a charset is passed on; "" for what is none, such
// as `none`, and means nothing to browsers.
func passedCharset(label string) (name string, ok bool) {
	if name, ok = charsets[strings.ToLower(label)]; ok {
		return name, true
	}
	encoding, err := htmlindex.Get(label)
	if err != nil { // unknown to browsers (WHATWG Encoding): no charset at all, or one of the past such as UTF-7
		_, err = ianaindex.MIME.Encoding(label)
		return "", err != nil && isLabel(label)
	}
	if _, ok = encoding.(*charmap.Charmap); !ok { // several bytes a letter, which may hide ASCII
		return "", false
	}
	name, err = htmlindex.Name(encoding)
	return name, err == nil
}

// isText tells the types for which a charset means something.
func isText(mediaType string) bool {
	return strings.HasPrefix(mediaType, "text/") || strings.HasSuffix(mediaType, "json") || strings.HasSuffix(mediaType, "+xml")
}
