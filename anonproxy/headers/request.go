// Package headers decides which headers pass between readers and tools: what tools are sent is constant, and what comes back is
// built anew.
//
// In a request's order: [Destination] and [KindFor] tell from a reader's Fetch metadata what they use the answer for, and
// refuse what must not go through the wiki's origin. [Request] has what a tool is sent, [BodyType] the type of a POST.
// [Classify] tells of the tool's answer what it is and whether it may pass, and [Force] puts the headers of every answer, [Policy] among them.
package headers

import (
	"mime"
	"net/http"
	"strings"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// Product names the proxy to tools, the same for every wiki that names no contact.
const Product = "Wikiveil/1 (+https://github.com/wikiveil/wikiveil; anonymizing proxy"

// Request are the headers of all requests to a tool, by kind. They are
// the whole of what is sent but for Host, and nothing may change them.
//
// Accept-Encoding is identity: limits then count what the reader gets, types
// are checked on it, nothing has to be unpacked, and Caddy's encode can still
// compress it on the way to the reader. Range and readers' validators are left out:
// a Range tells how somebody watches, an ETag may be a cookie. A cache adds its own
// validators, which it got by its own request.
func Request(contact string) map[noticeboard.Kind]http.Header {
	agent := Product
	if contact != "" {
		agent += "; " + contact
	}
	headers := make(map[noticeboard.Kind]http.Header, len(accepts))
	for kind, accept := range accepts {
		headers[kind] = http.Header{
			"Accept":          {accept},
			"Accept-Encoding": {"identity"},
			"User-Agent":      {agent + ")"},
		}
	}
	return headers
}

// requestTypes are the types of bodies that tools may get, in the one spelling that they are
// sent in. Multipart is left out: its boundary is the browser's own.
var requestTypes = map[string]string{
	"application/geo+json":              "application/geo+json",
	"application/graphql":               "application/graphql",
	"application/graphql+json":          "application/graphql+json",
	"application/json":                  "application/json",
	"application/ld+json":               "application/ld+json",
	"application/sparql-query":          "application/sparql-query",
	"application/vnd.api+json":          "application/vnd.api+json",
	"application/x-ndjson":              "application/x-ndjson",
	"application/x-www-form-urlencoded": "application/x-www-form-urlencoded",
	"text/csv":                          "text/csv; charset=utf-8",
	"text/plain":                        "text/plain; charset=utf-8",
}

// BodyType reads a request's Content-Type fields. It returns the type as it is sent; the reason
// is "" unless the type is refused.
func BodyType(fields []string) (contentType, reason string) {
	if len(fields) != 1 {
		return "", "the request must have one content type"
	}
	mediaType, params, err := mime.ParseMediaType(fields[0])
	if err != nil {
		return "", "the request has a malformed content type"
	}
	contentType, ok := requestTypes[mediaType]
	if !ok {
		return "", "the request has a content type that isn't allowed: JSON, plain text, forms (not multipart), SPARQL and GraphQL are"
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") && !strings.EqualFold(value, "us-ascii") {
			return "", "the request's content type may have the parameter charset=utf-8 and no other"
		}
	}
	return contentType, ""
}

// Single returns a field's one value or "", and false where it has several.
func Single(h http.Header, name string) (string, bool) {
	switch values := h[name]; len(values) {
	case 0:
		return "", true
	case 1:
		return values[0], true
	default:
		return "", false
	}
}
