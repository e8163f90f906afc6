package reports

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"sync"
	"time"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

var contentTypes = map[string]bool{
	"application/csp-report":   true, // CSP Level 2, report-uri
	"application/reports+json": true, // Reporting API, report-to
	"application/json":         true,
}

// ServeOwn takes reports (POST) and tells browsers whether they may send them
// from another of the wiki's origins (OPTIONS), which own knows: reports of other pages
// and requests from them are not taken. What was read, and what is
// over a limit, gets a 204: a browser could do nothing about it, and would send
// it again.
func (c *Collector) ServeOwn(w http.ResponseWriter, r *http.Request, own func(origin string) bool) {
	w.Header().Set("Cache-Control", "no-store")
	if refused := c.serve(w, r, own); refused != nil {
		c.count(time.Now(), nil, counts{classRefused: {Reason(refused.Reason): 1}})
		if refused == errMethod {
			w.Header().Set("Allow", "POST, OPTIONS")
		}
		http.Error(w, refused.Error(), refused.Status)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (c *Collector) serve(w http.ResponseWriter, r *http.Request, own func(string) bool) *refusal.Refusal {
	if r.Method != http.MethodPost && r.Method != http.MethodOptions {
		return errMethod
	}
	if !allowOrigin(w.Header(), r.Header.Get("Origin"), own) {
		return errOrigin
	}
	if r.Method == http.MethodOptions {
		preflight(w.Header(), r)
		return nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || !contentTypes[kind] {
		return errType
	}
	if r.Header.Get("Content-Encoding") != "" {
		return errEncoding
	}
	parser := Parser{Own: own}
	if c.config.Names != nil {
		parser.Names = func(text string) bool { return c.config.Names(r, text) }
	}
	return c.take(w, r, parser)
}

// allowOrigin lets a page of another of the wiki's origins send reports. A stranger's
// page could have its visitors send forged ones.
func allowOrigin(h http.Header, origin string, own func(string) bool) bool {
	if origin == "" {
		return true
	}
	h.Add("Vary", "Origin")
	if u, ok := parseURL(origin); !ok || !own(u.origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	return true
}

// preflight permits what the Reporting API sends (W3C Reporting API, section 3.5.2):
// POST with a Content-Type, and no credentials.
func preflight(h http.Header, r *http.Request) {
	if r.Header.Get("Origin") == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		h.Set("Allow", "POST, OPTIONS")
		return
	}
	h.Set("Access-Control-Allow-Methods", http.MethodPost)
	h.Set("Access-Control-Allow-Headers", "Content-Type")
	h.Set("Access-Control-Max-Age", "86400")
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// take reads and counts the reports. The first one's token is taken before the body
// is read, so a flood costs little.
func (c *Collector) take(w http.ResponseWriter, r *http.Request, parser Parser) *refusal.Refusal {
	now := time.Now()
	key := ""
	if c.config.Client != nil {
		key = c.config.Client(r)
	}
	client := c.limits.client(key)
	if over := c.limits.take(client, now); over != "" {
		c.count(now, nil, counts{classLimited: {over: 1}})
		return nil
	}
	if r.ContentLength > MaxBatch {
		return errSize
	}
	body := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(body)
	body.Reset()
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, MaxBatch)); err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return errSize
		}
		return errBody
	}
	batch := parser.Parse(body.Bytes(), r.UserAgent())
	of := make(counts)
	total := len(batch.Reports)
	for reason, n := range batch.Noise {
		of.add(classNoise, reason, uint64(n))
		total += n
	}
	for reason, n := range batch.Bad {
		of.add(classBad, reason, uint64(n))
		total += n
	}
	// Noise and bad records use tokens up as well, after the good ones.
	kept := len(batch.Reports)
	for i := 1; i < total; i++ {
		over := c.limits.take(client, now)
		if over == "" {
			continue
		}
		if i < kept {
			of.add(classLimited, over, uint64(kept-i))
			kept = i
		}
		break
	}
	c.count(now, batch.Reports[:kept], of)
	return malformedBodies[batch.Refused]
}
