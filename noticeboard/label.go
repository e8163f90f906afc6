package noticeboard

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/internal/i18n"
)

// Label grades a declaration: how much it tells, and how little the tool gets of
// readers. It rests on what is declared alone.
type Label string

// The labels, by criteria.
const (
	LabelA Label = "A" // meets all criteria
	LabelB Label = "B" // reached by the proxy only, gets nothing personal, says what it gets and for how long
	LabelC Label = "C" // says what it gets and for how long, and has a privacy policy
	LabelD Label = "D" // doesn't say so much
)

// reviewLife is how long a review counts.
const reviewLife = 365 * 24 * time.Hour

// Criterion is one of those that labels are computed from, by its ID.
type Criterion string

// Criteria of labels.
const (
	proxyOnly  Criterion = "proxy_only"
	impersonal Criterion = "impersonal"
	explained  Criterion = "explained"
	retention  Criterion = "retention"
	privacy    Criterion = "privacy_policy"
	openSource Criterion = "source_code"
	reviewed   Criterion = "reviewed"
)

// In tells people what is met.
func (c Criterion) In(l *i18n.Language) string {
	return l.Text("criterion-" + strings.ReplaceAll(string(c), "_", "-"))
}

// MarshalJSON gives the ID and the text in English.
func (c Criterion) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"id": string(c), "text": c.In(i18n.English())})
}

// Criteria returns all criteria of labels.
func Criteria() []Criterion {
	return []Criterion{proxyOnly, impersonal, explained, retention, privacy, openSource, reviewed}
}

// needs are the criteria of each label, the best first.
var needs = []struct {
	label    Label
	criteria []Criterion
}{
	{LabelA, Criteria()},
	{LabelB, []Criterion{proxyOnly, impersonal, explained, retention}},
	{LabelC, []Criterion{explained, retention, privacy}},
	{LabelD, nil},
}

// Label returns the label at a time, and the criteria that the declaration
// doesn't meet. Call it on a board's tool.
func (t *Tool) Label(now time.Time) (label Label, unmet []Criterion) {
	missing := make(map[Criterion]bool)
	for _, c := range Criteria() {
		if !t.meets(c, now) {
			missing[c] = true
			unmet = append(unmet, c)
		}
	}
	for _, need := range needs {
		met := true
		for _, c := range need.criteria {
			met = met && !missing[c]
		}
		if met {
			return need.label, unmet
		}
	}
	return LabelD, unmet
}

func (t *Tool) meets(c Criterion, now time.Time) bool {
	if t.IsMirror() { // it gets nothing of anybody, so there is nothing to say or keep
		switch c {
		case explained:
			return t.Purpose != "" && t.Contact != ""
		case impersonal, retention, privacy:
			return true
		}
	}
	switch c {
	case proxyOnly:
		return t.Access == ByProxy
	case impersonal:
		return t.Personal == NothingPersonal && !t.Pseudonym && t.Names == "" // which the declaration's checks refuse together
	case explained:
		return t.Purpose != "" && t.Sends != "" && t.Contact != ""
	case retention:
		return t.Retention != ""
	case privacy:
		return t.Privacy != ""
	case openSource:
		return t.Source != ""
	case reviewed:
		at := t.Reviewed.Time()
		// A day begins earlier in the east: one that begins within a day counts.
		return t.Reviewer != "" && !t.Reviewed.IsZero() && now.Before(at.Add(reviewLife)) && !at.After(now.Add(24*time.Hour))
	}
	return false
}

// turns returns the moments at which the tool's label or standing changes.
func (t *Tool) turns() []time.Time {
	var at []time.Time
	if !t.Expires.IsZero() {
		at = append(at, t.Expires.Time())
	}
	if !t.Reviewed.IsZero() {
		at = append(at, t.Reviewed.Time().Add(-24*time.Hour), t.Reviewed.Time().Add(reviewLife))
	}
	return at
}
