package lookup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/singleflight"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

// Where everybody sees how far the audit logs have come; RFC 8615.
const (
	checkpointPath = "/.well-known/wikiveil-audit"
	proofPath      = "/.well-known/wikiveil-audit/proof"
)

const (
	// publishedFor is how long a response is kept here, so that strangers can't load the storage.
	publishedFor = time.Minute
	// publishedRetry is how long a failure is.
	publishedRetry = 10 * time.Second
	// publicFor is how long others may keep what changes once a day.
	publicFor = time.Hour
)

// publishedLogs are what everybody may know of the audit logs. It is the response under checkpointPath, the
// file that people save to verify by, and the body that has the admin API do so.
type publishedLogs struct {
	// PublicKey is the Ed25519 key, in hex, of the checkpoints' signatures.
	PublicKey string `json:"public_key"`
	// Checkpoints are one of each node, signed notes.
	Checkpoints []audit.Checkpoint `json:"checkpoints"`
	// Proof is where a proof is asked for that leads to them from an earlier one, with node, log and entries.
	Proof string `json:"proof,omitempty"`
}

// publishedCache keeps what was published last.
type publishedCache struct {
	flight singleflight.Group
	last   atomic.Pointer[publishedResponse]
}

type publishedResponse struct {
	logs  publishedLogs
	err   error
	until time.Time
}

// shown returns what is published, at most publishedFor old.
func (l *auditLog) shown(ctx context.Context) (publishedLogs, error) {
	fresh := func() *publishedResponse {
		if a := l.cache.last.Load(); a != nil && time.Now().Before(a.until) {
			return a
		}
		return nil
	}
	if a := fresh(); a != nil {
		return a.logs, a.err
	}
	value, _, _ := l.cache.flight.Do("", func() (any, error) {
		if a := fresh(); a != nil {
			return a, nil
		}
		// Others wait for it too, so it does not end with this request.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), edge.StorageTimeout)
		defer cancel()
		a := new(publishedResponse)
		if a.logs, a.err = l.publishedLogs(ctx); a.err != nil {
			edge.Log().Error("audit log: the published checkpoints can't be shown", zap.Error(a.err))
			a.until = time.Now().Add(publishedRetry)
		} else {
			a.until = time.Now().Add(publishedFor)
		}
		l.cache.last.Store(a)
		return a, nil
	})
	a := value.(*publishedResponse)
	return a.logs, a.err
}

func (l *auditLog) publishedLogs(ctx context.Context) (publishedLogs, error) {
	all, err := l.allPublished(ctx)
	if err != nil {
		return publishedLogs{}, err
	}
	return publishedLogs{PublicKey: hex.EncodeToString(l.PublicKey()), Checkpoints: all, Proof: proofPath}, nil
}

// serveCheckpoint responds to everybody, under one of the two paths.
func (h *MaskInfo) serveCheckpoint(w http.ResponseWriter, r *http.Request, asked string) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return h.refusePublic(w, r, http.StatusMethodNotAllowed, errors.New("checkpoints are read by GET"))
	}
	logs, err := h.lookups.log.shown(r.Context())
	if err != nil { // which is in the log
		return h.refusePublic(w, r, http.StatusServiceUnavailable, errors.New("the checkpoints can't be read just now; try again in a minute"))
	}
	if asked == proofPath {
		return h.serveProof(w, r, logs)
	}
	if !reqstate.WantsHTML(r) {
		return h.writeJSON(w, r, http.StatusOK, publicFor, logs)
	}
	page := h.newPage(r, "audit-public-title", access.User{})
	page.Data = newPublishedView(logs)
	return h.writePage(w, r, http.StatusOK, publicFor, "checkpoints", page)
}

// proofResponse is a proof for Checkpoint.Follows, with the checkpoint that it leads to: each of its moment.
type proofResponse struct {
	Checkpoint audit.Checkpoint `json:"checkpoint"`
	Proof      tlog.TreeProof   `json:"proof"`
}

// serveProof gives what leads from so many entries to this node's checkpoint.
func (h *MaskInfo) serveProof(w http.ResponseWriter, r *http.Request, logs publishedLogs) error {
	query := r.URL.Query()
	if status, err := h.lookups.log.hasLog(logs, query); err != nil {
		return h.refusePublic(w, r, status, err)
	}
	entries, _, err := sequenceOf(query, "entries")
	if err != nil {
		return h.refusePublic(w, r, http.StatusBadRequest, err)
	}
	to, proof, err := h.lookups.log.Proof(entries)
	switch {
	case errors.Is(err, audit.ErrPruned):
		return h.refusePublic(w, r, http.StatusGone, audit.ErrPruned)
	case err != nil:
		h.logger.Error("proofs of the audit log", zap.Error(err))
		return h.refusePublic(w, r, http.StatusServiceUnavailable, errors.New("the proof can't be made just now; try again in a minute"))
	}
	return h.writeJSON(w, r, http.StatusOK, publishedFor, proofResponse{to, append(tlog.TreeProof{}, proof...)})
}

// hasLog reports why this node has no proofs of a log, if it hasn't, and the status for it.
func (l *auditLog) hasLog(logs publishedLogs, query url.Values) (int, error) {
	node, id := query.Get("node"), query.Get("log")
	if node == "" || id == "" {
		return http.StatusBadRequest, errors.New("say which log is meant: node and log, as they stand in its checkpoint")
	}
	for _, c := range logs.Checkpoints {
		switch {
		case c.Node != node:
			continue
		case node != l.node:
			return http.StatusMisdirectedRequest, fmt.Errorf("this is node %s: only the other one has its proofs, so ask again until it answers", l.node)
		case c.Log.String() != id:
			return http.StatusNotFound, fmt.Errorf("this node's log is %v now: it was begun anew", c.Log)
		}
		return 0, nil
	}
	return http.StatusNotFound, errors.New("there is no node of that name")
}

func (h *MaskInfo) refusePublic(w http.ResponseWriter, r *http.Request, status int, err error) error {
	return h.writeJSON(w, r, status, 0, failure{Error: capital(err.Error())})
}

// publishedView is what the page shows.
type publishedView struct {
	publishedLogs
	JSON                     string // where the numbers are in their signed form
	Entries, Reveals, Pruned uint64 // of all nodes
}

func newPublishedView(logs publishedLogs) *publishedView {
	v := &publishedView{publishedLogs: logs, JSON: checkpointPath + "?format=json"}
	for _, c := range logs.Checkpoints {
		v.Entries += c.Entries
		v.Reveals += c.Reveals
		v.Pruned += c.Pruned
	}
	return v
}
