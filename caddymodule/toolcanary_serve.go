package caddymodule

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/selfcheck"
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

// publishedTranscripts is the answer of transcriptsPath.
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

// serveCanary answers what is about transcripts; false is what isn't.
func (h *AnonProxy) serveCanary(w http.ResponseWriter, r *http.Request) bool {
	tool, ok := h.transcriptOf(r.URL.Path)
	if !ok && r.URL.Path != transcriptsPath {
		return false
	}
	keepPolicies(r)
	header := w.Header()
	// Added and not set: a site-wide policy may stand there, and both hold.
	header.Add("Content-Security-Policy", selfcheck.PagePolicy)
	header.Add("Vary", "Accept")
	page.Protect(header, "")
	switch format := r.URL.Query().Get("format"); {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		refuseTranscript(w, http.StatusMethodNotAllowed, "transcripts are only read: use GET or HEAD")
	case format != "" && format != "html" && format != "note" && format != "json":
		refuseTranscript(w, http.StatusBadRequest, `unknown format: use "html" or "note"`)
	case !ok:
		h.serveTranscripts(w, r)
	default:
		h.serveTranscript(w, r, tool)
	}
	return true
}

func refuseTranscript(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	http.Error(w, reason, status)
}

// serveTranscript shows what a tool gets.
func (h *AnonProxy) serveTranscript(w http.ResponseWriter, r *http.Request, name string) {
	tool, known := h.app.live.Board().Lookup(name)
	switch {
	case !known:
		refuseTranscript(w, http.StatusNotFound, "no tool of that name is declared")
	case !tool.Proxied():
		refuseTranscript(w, http.StatusNotFound, "there is no transcript: the edge asks nothing of the tool, readers reach it by consent alone")
	case !noticeboard.HasTranscript(tool):
		refuseTranscript(w, http.StatusNotFound, "there is no transcript: the tool is a mirror, whose files the edge serves by itself")
	case h.canaries == nil:
		refuseTranscript(w, http.StatusNotFound, "there are no transcripts: the operator has switched the canary off")
	default:
		shown := h.canaries.standing(name).shown
		_, err := h.app.live.ForProxy(name, canaryPath)
		if refused, ok := refusal.Of(err); ok && refused.Reason != noticeboard.ReasonPending && shown == nil {
			refuseTranscript(w, http.StatusNotFound, "there is no transcript: "+refused.Text)
			return
		}
		if shown == nil {
			refuseTranscript(w, http.StatusServiceUnavailable, "there is no transcript yet: try again in a moment")
			return
		}
		h.showTranscript(w, r, shown)
	}
}

func (h *AnonProxy) showTranscript(w http.ResponseWriter, r *http.Request, shown *selfcheck.Published) {
	if r.URL.Query().Get("format") == "note" || !wantsHTML(r) {
		servePublic(w, r, "text/plain; charset=utf-8", shown.Note)
		return
	}
	page, err := selfcheck.Page(shown.Transcript, *h.canaries.publicKey.Load(), h.page.StyleSheet())
	if err != nil { // none is so
		refuseTranscript(w, http.StatusInternalServerError, "the transcript can't be shown")
		return
	}
	servePublic(w, r, "text/html; charset=utf-8", page)
}

// serveTranscripts shows the public key.
func (h *AnonProxy) serveTranscripts(w http.ResponseWriter, r *http.Request) {
	if h.canaries == nil {
		refuseTranscript(w, http.StatusNotFound, "there are no transcripts: the operator has switched the canary off")
		return
	}
	key := h.canaries.publicKey.Load()
	if key == nil {
		refuseTranscript(w, http.StatusServiceUnavailable, "there is no transcript yet: try again in a moment")
		return
	}
	prefix := h.pageOptions().Prefix
	answer := publishedTranscripts{*key, make(map[string]string), prefix}
	for tool := range h.canaries.all {
		answer.Transcripts[tool] = prefix + tool + noticeboard.TranscriptPath
	}
	data, _ := json.Marshal(answer) // texts alone
	servePublic(w, r, "application/json", data)
}

// servePublic answers with what everybody may keep for a while, or that the client has it already.
func servePublic(w http.ResponseWriter, r *http.Request, contentType string, data []byte) {
	sum := sha256.Sum256(data)
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(transcriptFor.Seconds())))
	header.Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}
