package cache

import (
	"net/http"
	"strings"
)

// Validators are a stored response's own, for the tool alone to see.
type Validators struct {
	// ETag and LastModified are as the tool sent them; either may be empty.
	ETag, LastModified string

	// URL is where the response came from after redirects. An ETag means nothing
	// elsewhere, so nothing else may be sent the validators.
	URL string
}

// Put sets the request fields that ask whether anything has changed.
func (v Validators) Put(h http.Header) {
	if v.ETag != "" {
		h["If-None-Match"] = []string{v.ETag}
	}
	if v.LastModified != "" {
		h["If-Modified-Since"] = []string{v.LastModified}
	}
}

// maxETag bounds what a tool makes us store and send, in bytes.
const maxETag = 512

// validators returns what of a stored header can be sent back.
func validators(h http.Header) (v Validators) {
	if etags := h["Etag"]; len(etags) == 1 && len(etags[0]) <= maxETag && isETag(etags[0]) {
		v.ETag = etags[0]
	}
	if dates := h["Last-Modified"]; len(dates) == 1 {
		if t, err := http.ParseTime(dates[0]); err == nil {
			v.LastModified = t.UTC().Format(http.TimeFormat)
		}
	}
	return v
}

func hasValidator(h http.Header) bool {
	v := validators(h)
	return v.ETag != "" || v.LastModified != ""
}

// isETag tells entity tags (RFC 9110 section 8.8.3), of ASCII only.
func isETag(s string) bool {
	s = strings.TrimPrefix(s, "W/")
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	for _, c := range []byte(s[1 : len(s)-1]) {
		if c <= ' ' || c == '"' || c >= 0x7f {
			return false
		}
	}
	return true
}

// confirms reports whether a 304 is about the response it was asked about (RFC 9111
// section 4.3.4): it may not name another one.
func (v Validators) confirms(h http.Header) bool {
	got := validators(h)
	if got.ETag != "" && v.ETag != "" {
		return strings.TrimPrefix(got.ETag, "W/") == strings.TrimPrefix(v.ETag, "W/")
	}
	return v.ETag != "" || v.LastModified != ""
}

// noneMatch evaluates If-None-Match against our own ETag: weak comparison (RFC
// 9110 section 13.1.2). What can't be read matches nothing.
func noneMatch(fields []string, own string) bool {
	for _, field := range fields {
		for rest := field; rest != ""; {
			rest = strings.TrimLeft(rest, " \t,")
			if strings.HasPrefix(rest, "*") && len(fields) == 1 && strings.Trim(field, " \t") == "*" {
				return false
			}
			tag := strings.TrimPrefix(rest, "W/")
			if !strings.HasPrefix(tag, `"`) {
				break
			}
			end := strings.IndexByte(tag[1:], '"')
			if end < 0 {
				break
			}
			if tag[:end+2] == own {
				return false
			}
			rest = tag[end+2:]
		}
	}
	return true
}
