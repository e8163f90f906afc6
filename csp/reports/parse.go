package reports

import (
	"cmp"
	"encoding/json"
	"slices"
)

// Limits on what is read.
const (
	MaxReport = 8 << 10  // bytes of one report
	MaxBatch  = 64 << 10 // bytes of a request's body
	MaxDepth  = 8        // arrays and objects within each other in a report; browsers send 2
	// MaxRecords is how many reports of one batch are read.
	MaxRecords = 1000
)

// Reason is a short fixed word that says why a report was not counted, fit for a
// metric's label.
type Reason string

// Reasons for which a record is bad.
const (
	BadJSON      Reason = "not_json"
	BadObject    Reason = "not_an_object"
	BadDepth     Reason = "too_deep"
	BadSize      Reason = "too_large"
	BadNumber    Reason = "too_many"
	BadType      Reason = "other_type" // a report of something else than CSP
	BadForm      Reason = "no_report"  // an object without a violation, or with fields of other types
	BadDirective Reason = "unknown_directive"
	BadDocument  Reason = "document_url"
	BadForeign   Reason = "foreign_document" // of a page of somebody else's
	BadBlocked   Reason = "blocked_url"
	BadClient    Reason = "client_address" // names its sender's, as with a server at a reader's home
)

// A Batch is what one request's body held.
type Batch struct {
	Reports []Report
	// Noise and Bad count the records that are not among Reports, by reason.
	Noise, Bad map[Reason]int
	// Refused is why nothing of the body is of a form that any browser sends; "" where
	// anything is.
	Refused Reason
}

// malformed are the reasons that no browser's report gives, in the order in which
// they are told.
var malformed = []Reason{BadSize, BadDepth, BadForm, BadObject, BadJSON}

// Parser reads the bodies that browsers send.
type Parser struct {
	// Own reports whether an origin, such as "https://wiki.example", is the wiki's.
	// Reports of other pages are bad. Nil takes all.
	Own func(origin string) bool
	// Names reports whether a text names the address of the reports' sender. Such reports are bad.
	Names func(text string) bool
}

// Parse reads one report or many, of any of the three content types, in the forms
// of CSP Level 2 (Firefox, Safari, Chromium's report-uri) and of the Reporting API,
// whose bodies may also come without their envelope. The user agent, that of the
// request, only helps to tell noise. Parse keeps nothing of data.
func (p Parser) Parse(data []byte, userAgent string) Batch {
	batch := Batch{Noise: make(map[Reason]int), Bad: make(map[Reason]int)}
	n := 0
	for r := range records(data) {
		n++
		object := r.data[0] == '{'
		switch {
		case n > MaxRecords:
			batch.Bad[BadNumber]++
		case !r.whole:
			batch.Bad[BadJSON]++
		case len(r.data) > MaxReport:
			batch.Bad[BadSize]++
		case r.depth > MaxDepth:
			batch.Bad[BadDepth]++
		case object:
			p.add(&batch, r.data, userAgent)
		case json.Valid(r.data):
			batch.Bad[BadObject]++
		default:
			batch.Bad[BadJSON]++
		}
	}
	batch.Refused = refusedFor(batch.Bad, n)
	if n == 0 && !json.Valid(data) { // an empty array is
		batch.Refused = BadJSON
	}
	return batch
}

func refusedFor(bad map[Reason]int, records int) (first Reason) {
	for _, reason := range slices.Backward(malformed) {
		if bad[reason] > 0 {
			records -= bad[reason]
			first = reason
		}
	}
	if records > 0 {
		return ""
	}
	return first
}

func (p Parser) add(batch *Batch, record []byte, userAgent string) {
	v, bad := read(record)
	if bad != "" {
		batch.Bad[bad]++
		return
	}
	if reason := noise(&v, userAgent); reason != "" {
		batch.Noise[reason]++
		return
	}
	report, bad := p.report(&v)
	if bad != "" {
		batch.Bad[bad]++
		return
	}
	batch.Reports = append(batch.Reports, report)
}

// A violation is what is looked at of a record, as the browser wrote it.
type violation struct {
	directive, blocked, file, document, disposition, agent string
}

// fields are a violation's in the names of CSP Level 2, of the Reporting API, and of
// the event in the page. encoding/json does not mind upper and lower case.
type fields struct {
	EffectiveDirective string `json:"effectiveDirective"`
	Effective          string `json:"effective-directive"`
	ViolatedDirective  string `json:"violatedDirective"`
	Violated           string `json:"violated-directive"`
	BlockedURL         string `json:"blockedURL"`
	BlockedURI         string `json:"blockedURI"`
	Blocked            string `json:"blocked-uri"`
	SourceFile         string `json:"sourceFile"`
	Source             string `json:"source-file"`
	DocumentURL        string `json:"documentURL"`
	DocumentURI        string `json:"documentURI"`
	Document           string `json:"document-uri"`
	Disposition        string `json:"disposition"`
}

func read(record []byte) (violation, Reason) {
	var envelope struct {
		Type   *string `json:"type"`
		URL    string  `json:"url"`
		Agent  string  `json:"user_agent"`
		Body   *fields `json:"body"`
		Legacy *fields `json:"csp-report"`
		fields         // a body alone
	}
	if err := json.Unmarshal(record, &envelope); err != nil {
		if json.Valid(record) {
			return violation{}, BadForm
		}
		return violation{}, BadJSON
	}
	f := &envelope.fields
	switch {
	case envelope.Legacy != nil:
		f = envelope.Legacy
	case envelope.Type != nil && *envelope.Type != "csp-violation":
		return violation{}, BadType
	case envelope.Body != nil:
		f = envelope.Body
	}
	v := violation{
		directive:   cmp.Or(f.EffectiveDirective, f.Effective, f.ViolatedDirective, f.Violated),
		blocked:     cmp.Or(f.BlockedURL, f.BlockedURI, f.Blocked),
		file:        cmp.Or(f.SourceFile, f.Source),
		document:    cmp.Or(f.DocumentURL, f.DocumentURI, f.Document, envelope.URL),
		disposition: f.Disposition,
		agent:       envelope.Agent,
	}
	if v.directive == "" && v.document == "" {
		return v, BadForm
	}
	return v, ""
}

func (p Parser) report(v *violation) (Report, Reason) {
	directive, ok := knownDirective(v.directive)
	if !ok {
		return Report{}, BadDirective
	}
	page, ok := parseURL(v.document)
	if !ok {
		return Report{}, BadDocument
	}
	if p.Own != nil && !p.Own(page.origin) {
		return Report{}, BadForeign
	}
	what, ok := blocked(v.blocked, directive)
	if !ok {
		return Report{}, BadBlocked
	}
	r := Report{Directive: directive, Blocked: what, Disposition: disposition(v.disposition)}
	r.Gadget, r.Page = source(v.file, page)
	if p.Names != nil && (p.Names(r.Gadget) || p.Names(r.Page) || p.Names(r.Blocked) && (p.Own == nil || !p.Own(r.Blocked))) {
		return Report{}, BadClient
	}
	return r, ""
}
