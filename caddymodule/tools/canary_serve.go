package tools

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/selfcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

const (
	// transcriptsPath is where everybody sees by which key transcripts are signed; RFC 8615.
	transcriptsPath = "/.well-known/wikiveil-transcripts"
	// transcriptFor is how long others may keep a transcript.
	transcriptFor = 5 * time.Minute
)

// publishedTranscripts is the response under transcriptsPath.
type publishedTranscripts struct {
	// PublicKey is the verifier key of the notes, as golang.org/x/mod/sumdb/note writes it. It is that of the audit
	// log's checkpoints too, under a name of its own.
	PublicKey string `json:"public_key"`
	// Transcripts are the paths, by tool.
	Transcripts map[string]string `json:"transcripts"`
	// Noticeboard is where the tools' declarations are.
	Noticeboard string `json:"noticeboard"`
}

// failing tells the proxy why a tool that the noticeboard lets be asked mustn't be: its canary failed.
func (h *AnonProxy) failing(tool string) (status int, reason string) {
	if h.canaries == nil || h.Canary.reportOnly() || len(h.canaries.standing(tool).differences) == 0 {
		return 0, ""
	}
	return http.StatusServiceUnavailable, "the tool is out of reach: the edge found that it could tell readers apart"
}

// transcriptOf returns the tool whose transcript is at a path, known or not.
func (h *AnonProxy) transcriptOf(path string) (tool string, ok bool) {
	below, ok := strings.CutPrefix(path, h.pageOptions().Prefix)
	if !ok {
		return "", false
	}
	tool, ok = strings.CutSuffix(below, noticeboard.TranscriptPath)
	return tool, ok && !strings.Contains(tool, "/")
}

// serveCanary responds to what is about transcripts, and reports whether the request was.
func (h *AnonProxy) serveCanary(w http.ResponseWriter, r *http.Request) bool {
	tool, ok := h.transcriptOf(r.URL.Path)
	if !ok && r.URL.Path != transcriptsPath {
		return false
	}
	r = h.app.Localized(r)
	keepPolicies(r)
	header := w.Header()
	// Added and not set: a site-wide policy may stand there, and both hold.
	header.Add("Content-Security-Policy", selfcheck.PagePolicy)
	header.Add("Vary", "Accept, Accept-Language")
	page.Protect(header, "")
	contentType, body, refused := h.canaryResponse(r, tool, ok)
	if refused != nil {
		if refused.Status == http.StatusMethodNotAllowed {
			header.Set("Allow", "GET, HEAD")
		}
		_ = refused.Answer(w, r) // nobody to tell
		return true
	}
	sum := sha256.Sum256(body)
	header.Set("Content-Type", contentType)
	if strings.HasPrefix(contentType, "text/html") {
		header.Set("Content-Language", i18n.Of(r).Code)
	}
	header.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(transcriptFor.Seconds())))
	header.Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	return true
}

// canaryResponse returns a tool's transcript, or what tells of them all.
func (h *AnonProxy) canaryResponse(r *http.Request, name string, ofTool bool) (contentType string, body []byte, _ *refusal.Refusal) {
	refuse := func(status int, text string) (string, []byte, *refusal.Refusal) {
		return "", nil, refusal.Literal(status, "no_transcript", text)
	}
	format := r.URL.Query().Get("format")
	tool, _ := h.tools.board.Board().Lookup(name)
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return refuse(http.StatusMethodNotAllowed, "transcripts are only read: use GET or HEAD")
	case !slices.Contains([]string{"", "html", "note", "json"}, format):
		return refuse(http.StatusBadRequest, `unknown format: use "html" or "note"`)
	case ofTool && tool == nil:
		return refuse(http.StatusNotFound, "no tool of that name is declared")
	case ofTool && !tool.Proxied():
		return refuse(http.StatusNotFound, "there is no transcript: the edge asks nothing of the tool, readers reach it by consent alone")
	case ofTool && !noticeboard.HasTranscript(tool):
		return refuse(http.StatusNotFound, "there is no transcript: the tool is a mirror, whose files the edge serves by itself")
	case h.canaries == nil:
		return refuse(http.StatusNotFound, "there are no transcripts: the operator has switched the canary off")
	}
	key, shown := h.canaries.publicKey.Load(), h.canaries.standing(name).shown
	if ofTool && shown == nil {
		_, err := h.tools.board.ForProxy(name, canaryPath)
		if refused, ok := refusal.Of(err); ok && refused.Reason != noticeboard.ReasonPending {
			return refuse(http.StatusNotFound, "there is no transcript: "+refused.Error())
		}
	}
	switch {
	case key == nil || ofTool && shown == nil:
		return refuse(http.StatusServiceUnavailable, "there is no transcript yet: try again in a moment")
	case !ofTool:
		prefix := h.pageOptions().Prefix
		answer := publishedTranscripts{*key, make(map[string]string), prefix}
		for tool := range h.canaries.all {
			answer.Transcripts[tool] = prefix + tool + noticeboard.TranscriptPath
		}
		data, _ := json.Marshal(answer) // texts alone
		return "application/json", data, nil
	case format == "note" || !reqstate.WantsHTML(r):
		return "text/plain; charset=utf-8", shown.Note, nil
	}
	html, err := selfcheck.Page(r, shown.Transcript, *key, h.page.StyleSheet())
	if err != nil { // none is so
		return refuse(http.StatusInternalServerError, "the transcript can't be shown")
	}
	return "text/html; charset=utf-8", html, nil
}
