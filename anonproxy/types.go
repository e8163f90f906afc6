package anonproxy

import (
	"mime"
	"strings"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// mediaTypes are the exact types that pass, by kind. None of them runs as a
// script under nosniff. XML (other than SVG as an image) and octet-stream are
// left out: browsers open the one as a document and guess at the other.
var mediaTypes = map[noticeboard.Kind][]string{
	noticeboard.Img: {
		"image/apng", "image/avif", "image/bmp", "image/gif", "image/jpeg", "image/png", "image/svg+xml",
		"image/vnd.microsoft.icon", "image/webp", "image/x-icon",
	},
	noticeboard.Font: {
		"font/collection", "font/otf", "font/ttf", "font/woff", "font/woff2",
		"application/font-woff", "application/font-woff2",
	},
	noticeboard.Style: {"text/css"},
	noticeboard.Media: {
		"audio/aac", "audio/flac", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/opus", "audio/wav", "audio/webm", "audio/x-wav",
		"video/mp4", "video/mpeg", "video/ogg", "video/webm", "application/ogg", "text/vtt",
	},
	noticeboard.Data: {
		"application/activity+json", "application/feed+json", "application/geo+json", "application/hal+json", "application/json",
		"application/ld+json", "application/problem+json", "application/sparql-results+json", "application/topo+json",
		"application/vnd.api+json", "application/x-ndjson", "text/csv", "text/plain", "text/tab-separated-values",
	},
}

// charsets are the encodings a text type may name. A byte means the same ASCII
// in each, so none can hide markup, and none is left to the browser's guess.
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
	anyKind:           "*/*",
	eventsKind:        eventStream,
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

// classify reads a response's Content-Type fields. It returns the kind and the
// type to pass on: exact, with no parameter but a known charset. The reason is
// "" unless the type is refused.
func classify(fields []string) (kind noticeboard.Kind, contentType, reason string) {
	switch len(fields) {
	case 0:
		return "", "", "has no content type"
	case 1:
	default:
		return "", "", "has more than one content type"
	}
	if kind, ok := typeKinds[fields[0]]; ok { // the common spelling, without an allocation
		return kind, fields[0], ""
	}
	mediaType, params, err := mime.ParseMediaType(fields[0])
	if err != nil {
		return "", "", "has a malformed content type"
	}
	kind, ok := typeKinds[mediaType]
	if !ok {
		return "", "", "has a content type that isn't allowed"
	}
	charset, has := params["charset"]
	if !has || !isText(mediaType) {
		return kind, mediaType, ""
	}
	charset, ok = charsets[strings.ToLower(charset)]
	if !ok {
		return "", "", "has a charset that isn't allowed"
	}
	return kind, mediaType + "; charset=" + charset, ""
}

// isText tells the types for which a charset means something.
func isText(mediaType string) bool {
	return strings.HasPrefix(mediaType, "text/") || strings.HasSuffix(mediaType, "json") || strings.HasSuffix(mediaType, "+xml")
}
