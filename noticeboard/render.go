package noticeboard

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/mail"
	"slices"
	"time"

	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

var (
	//go:embed page.html
	pageHTML string

	pageTemplate = page.Must(pageHTML, template.FuncMap{
		"kinds": i18n.ListOf[Kind], "link": contactLink, "fields": i18n.ListOf[string],
		"posts":    func(methods []string) bool { return slices.Contains(methods, http.MethodPost) },
		"messages": func(streams []Stream) bool { return slices.Contains(streams, WebSocket) },
	})
)

// shownChanges is how many entries of the log stand on the page; JSON has all.
const shownChanges = 100

// pageView is what the template shows.
type pageView struct {
	page.Frame
	Prefix, Withdraw, Ask string
	Tools, Pending        []toolView
	Changes               []Change
	More                  int // changes that aren't shown
	Criteria              []Criterion
	Direct                bool // some tool is reached by consent
	ConsentDays           int
}

// toolView is a tool in JSON and for the template.
type toolView struct {
	*Tool
	Standing string           `json:"standing"`
	Refused  string           `json:"reason,omitempty"`
	Refusal  *refusal.Refusal `json:"-"`
	Grade    Label            `json:"label,omitempty"`
	Unmet    []Criterion      `json:"-"`
	UnmetIDs []string         `json:"unmet,omitempty"`
	Stopped  []stopView       `json:"stopped,omitempty"`
	Declared string           `json:"declaration_hash,omitempty"`

	Files []MirrorAddress `json:"files,omitempty"`

	Transcript string `json:"transcript,omitempty"` // the path of what shows what it gets
}

// stopView is a path that is stopped. Who stopped it isn't for the public.
type stopView struct {
	Prefix string    `json:"prefix"`
	Why    string    `json:"why,omitempty"`
	At     time.Time `json:"at"`
}

func renderPage(opt PageOptions, listings []Listing, changes []Change, now time.Time) (*rendered, error) {
	prefix, withdraw := opt.Prefix, opt.Withdraw
	view := pageView{
		Prefix: prefix, Withdraw: withdraw, Ask: opt.Ask, ConsentDays: ConsentDays,
		Tools: []toolView{}, Pending: []toolView{}, Changes: publicChanges(changes), Criteria: Criteria(),
	}
	for _, l := range listings {
		if l.Hash == "" {
			view.Pending = append(view.Pending, newToolView(l, now))
			continue
		}
		shown := newToolView(l, now)
		shown.Files = l.Tool.MirrorAddresses(prefix)
		if opt.Transcripts && HasTranscript(l.Tool) && l.Refusal == nil { // none is made while nobody can use it
			shown.Transcript = prefix + l.Tool.Name + TranscriptPath
		}
		view.Tools = append(view.Tools, shown)
		view.Direct = view.Direct || l.Tool.Consentable()
	}
	var list bytes.Buffer
	enc := json.NewEncoder(&list)
	enc.SetIndent("", "\t")
	err := enc.Encode(map[string]any{"tools": view.Tools, "pending": view.Pending, "changes": view.Changes, "criteria": view.Criteria})
	if err != nil {
		return nil, fmt.Errorf("encoding the noticeboard: %w", err)
	}
	if view.More = len(view.Changes) - shownChanges; view.More > 0 {
		view.Changes = view.Changes[:shownChanges]
	}
	return &rendered{
		until: nextTurn(listings, now), json: newDocument(list.Bytes()), script: rewriteScript(prefix, listings),
		view: view, html: make(map[page.Frame]document),
	}, nil
}

func newToolView(l Listing, now time.Time) toolView {
	public := l.Tool.Public()
	v := toolView{Tool: &public, Standing: "usable", Declared: l.Hash}
	if l.Refusal != nil {
		v.Standing, v.Refused, v.Refusal = l.Refusal.Reason, l.Refusal.Error(), l.Refusal
	} else {
		v.Grade, v.Unmet = l.Tool.Label(now)
		for _, c := range v.Unmet {
			v.UnmetIDs = append(v.UnmetIDs, string(c))
		}
	}
	for _, k := range l.Stops {
		if k.Prefix != "" {
			v.Stopped = append(v.Stopped, stopView{k.Prefix, k.Why, k.At})
		}
	}
	return v
}

// publicChanges leaves out who acted.
func publicChanges(changes []Change) []Change {
	public := make([]Change, len(changes))
	for i, c := range changes {
		c.By = ""
		public[i] = c
	}
	return public
}

// nextTurn is when what is shown changes by itself; zero is never.
func nextTurn(listings []Listing, now time.Time) (next time.Time) {
	for _, l := range listings {
		for _, at := range l.Tool.turns() {
			if at.After(now) && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
	}
	return next
}

// changes returns the log, the newest first.
func (v *stateView) changes() []Change {
	changes := slices.Clone(v.body.Changes)
	slices.Reverse(changes)
	return changes
}

// ConsentDays is how many days readers' consents last; csp/exempt's tests compare it with theirs.
const ConsentDays = 30

// On is the tool, or the part of it, that an entry of the log is about.
func (c Change) On() template.HTML {
	on := "<strong>" + template.HTMLEscapeString(c.Tool) + "</strong>"
	if c.Prefix != "" {
		on += " (<code>" + template.HTMLEscapeString(c.Prefix) + "</code>)"
	}
	return template.HTML(on) //nolint:gosec // escaped
}

// contactLink returns the address a contact can be linked to, or "".
func contactLink(contact string) string {
	if isWebAddress(contact) {
		return contact
	}
	if a, err := mail.ParseAddress(contact); err == nil && a.Address == contact {
		return "mailto:" + contact
	}
	return ""
}
