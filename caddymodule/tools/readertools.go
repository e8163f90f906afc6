package tools

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// The states of a tool for one reader.
const (
	stateProxied   = "proxied"   // reached at the wiki's own path
	stateConsented = "consented" // the reader let it through: reached at its own address, too
	stateOff       = "off"
)

var (
	refusedReaderToolsMethod = refusal.Literal(http.StatusMethodNotAllowed, "method", "this is only read: use GET or HEAD")
	refusedReaderToolsUse    = refusal.Literal(http.StatusForbidden, "use", "this is for scripts of this wiki's pages: use fetch")
)

// readerTools is what a gadget is told.
type readerTools struct {
	// Rewrite is the address of the script that leads gadgets' requests to the proxy.
	Rewrite string                `json:"rewrite,omitempty"`
	Tools   map[string]readerTool `json:"tools"`
	// Notice is what the script says that tells where a tool was stopped; missing where there is no such script.
	Notice *readerNotice `json:"notice,omitempty"`
}

// readerNotice is in the reader's language. In Text $1 stands for the tool's title.
type readerNotice struct {
	Lang  string `json:"lang"`
	Dir   string `json:"dir"`
	Label string `json:"label"`
	Text  string `json:"text"`
	Ask   string `json:"ask"`
	Close string `json:"close"`
}

type readerTool struct {
	Title   string             `json:"title"`
	State   string             `json:"state"`
	Origins []string           `json:"origins"`
	Kinds   []noticeboard.Kind `json:"kinds"`
	Path    string             `json:"path,omitempty"`   // on the wiki
	Frame   string             `json:"frame,omitempty"`  // where pages of its own are framed, or the reader is asked
	Ask     string             `json:"ask,omitempty"`    // where the reader can let it through
	Reason  string             `json:"reason,omitempty"` // why it's off
}

// serveReaderTools tells pages of the wiki, and nobody else, how the reader reaches each tool.
func (h *AnonProxy) serveReaderTools(w http.ResponseWriter, r *http.Request) error {
	keepPolicies(r)
	if !h.app.Started(r) {
		return edge.RefusedStarting.Answer(w, r)
	}
	head := w.Header()
	head.Add("Vary", "Accept-Language, Cookie, Sec-Fetch-Site, Sec-Fetch-Dest")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		return refusedReaderToolsMethod.Answer(w, r)
	}
	dest, refused := headers.Destination(r, h.RequireFetchMetadata)
	if refused != nil {
		return refused.Answer(w, r)
	}
	if dest != "" && dest != "empty" {
		return refusedReaderToolsUse.Answer(w, r)
	}
	body, err := json.Marshal(h.readerTools(reqstate.Known(r).Rare().Granted, i18n.Of(r)))
	if err != nil {
		return err
	}
	headers.Force(head, "application/json", "private, no-store", int64(len(body)))
	delete(head, "Access-Control-Allow-Origin")
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, err = w.Write(body)
	}
	return err
}

// readerTools are all tools for a reader who let some through.
func (h *AnonProxy) readerTools(granted []*exempt.Tool, l *i18n.Language) readerTools {
	told := readerTools{Rewrite: h.page.RewriteScript(), Tools: make(map[string]readerTool)}
	for tool := range h.tools.board.Board().All() {
		told.Tools[tool.Name] = h.readerTool(tool, granted)
	}
	if !h.NoNotice {
		told.Notice = &readerNotice{
			Lang: l.Code, Dir: l.Dir, Label: l.Text("notice-label"), Text: l.Text("notice-text", "$1"), Ask: l.Text("notice-ask"), Close: l.Text("notice-close"),
		}
	}
	return told
}

func (h *AnonProxy) readerTool(tool *noticeboard.Tool, granted []*exempt.Tool) readerTool {
	one := readerTool{Title: tool.Title, State: stateOff, Origins: tool.Origins(), Kinds: tool.Kinds}
	if tool.Proxied() {
		if status, reason := h.refuse(tool.Name, "/"); status == 0 {
			one.State, one.Path = stateProxied, h.pageOptions().Prefix+tool.Name+"/"
		} else {
			one.Reason = reason
		}
	}
	if !tool.Consentable() {
		return one
	}
	if h.consents && tool.Has(noticeboard.Frame) {
		one.Frame = noticeboard.FramePath + tool.Name + "/"
	}
	_, err := h.tools.board.ForConsent(tool.Name)
	switch {
	case err == nil && slices.ContainsFunc(granted, func(t *exempt.Tool) bool { return t.Name == tool.Name }):
		one.State = stateConsented
	case err == nil && h.consents:
		one.Ask = exempt.GoPath + "?tool=" + url.QueryEscape(tool.Name)
		if one.State == stateOff {
			one.Reason = "the reader hasn't let it through"
		}
	case one.State == stateOff && err != nil:
		one.Reason = err.Error()
	case one.State == stateOff:
		one.Reason = "nobody can consent on this site"
	}
	return one
}
