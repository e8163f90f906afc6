package tools

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/noticeboard"
)

const (
	adminTools        = "/wikiveil/tools"
	adminDisableTools = "/wikiveil/tools/disable"
	adminEnableTools  = "/wikiveil/tools/enable"
)

func init() {
	edge.HandleAdmin(adminTools, listTools, http.MethodGet)           // how the tools of the noticeboard stand
	edge.HandleAdmin(adminDisableTools, disableTool, http.MethodPost) // disables a tool or a part of it {tool, url, by, why}
	edge.HandleAdmin(adminEnableTools, enableTool, http.MethodPost)   // takes that back
}

// switchTimeout bounds how long the kill switch waits for the storage. It acts on this node before.
const switchTimeout = 10 * time.Second

// toolList is the response about all tools.
type toolList struct {
	Tools []toolEntry `json:"tools"`
	// Disabled is what was disabled by command, also of tools that are no longer declared.
	Disabled []noticeboard.Stop `json:"disabled"`
	// Changes is the log, the newest first, with who acted.
	Changes []noticeboard.Change `json:"changes"`
	// FileError is why the file of tools isn't in use as it is now.
	FileError string `json:"file_error,omitempty"`
	// LeftOut is what is wrong with entries of that file that are left out.
	LeftOut []string `json:"left_out,omitempty"`
	// StateError is why the shared state can't be read or stored.
	StateError string `json:"state_error,omitempty"`
}

type toolEntry struct {
	Name   string             `json:"name"`
	Title  string             `json:"title,omitempty"`
	Origin string             `json:"origin,omitempty"`
	Access noticeboard.Access `json:"access,omitempty"`
	// Standing is "usable" or a noticeboard.Reason.
	Standing string            `json:"standing"`
	Reason   string            `json:"reason,omitempty"`
	Label    noticeboard.Label `json:"label,omitempty"`
	Revision uint64            `json:"revision,omitempty"`
	Expires  noticeboard.Date  `json:"expires,omitzero"`
	Hash     string            `json:"declaration_hash,omitempty"`
}

// switchRequest is the body that disables or enables.
type switchRequest struct {
	Tool string `json:"tool"`
	// URL is a path at the tool or an address: what begins with it. Missing is the whole tool.
	URL string `json:"url,omitempty"`
	// By is who acts; "API" if missing.
	By string `json:"by,omitempty"`
	// Why is shown in public.
	Why string `json:"why,omitempty"`
}

// switchResponse is the response to it.
type switchResponse struct {
	Tool string `json:"tool"`
	// Prefix is the start of the paths that are meant, decoded; missing is the whole tool.
	Prefix string `json:"prefix,omitempty"`
	// Warning tells what is not quite as it should be.
	Warning string `json:"warning,omitempty"`
}

// listTools returns how all tools stand.
func listTools(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	return admin.WriteJSON(w, newToolList(app.Noticeboard(), time.Now()))
}

func newToolList(board *edge.Noticeboard, now time.Time) toolList {
	list := toolList{Tools: []toolEntry{}, Disabled: board.State.Stops(), Changes: board.State.Changes()}
	for _, l := range board.Listings(now) {
		t := l.Tool
		entry := toolEntry{
			Name: t.Name, Title: t.Title, Origin: t.Origin, Access: t.Access, Standing: "usable",
			Revision: t.Revision, Expires: t.Expires, Hash: l.Hash,
		}
		if l.Refusal != nil {
			entry.Standing, entry.Reason = string(l.Refusal.Reason), l.Refusal.Error()
		} else {
			entry.Label, _ = t.Label(now)
		}
		list.Tools = append(list.Tools, entry)
	}
	if list.Disabled == nil {
		list.Disabled = []noticeboard.Stop{}
	}
	status := board.Status()
	if status.FileErr != nil {
		list.FileError = status.FileErr.Error()
	}
	for _, left := range status.LeftOut {
		list.LeftOut = append(list.LeftOut, left.Error())
	}
	if status.StateErr != nil {
		list.StateError = status.StateErr.Error()
	}
	return list
}

func disableTool(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	return switchTool(app, w, r, (*noticeboard.Live).Disable)
}

func enableTool(app *edge.App, w http.ResponseWriter, r *http.Request) error {
	return switchTool(app, w, r, (*noticeboard.Live).Enable)
}

// switchTool reads what a request is about and has turn do it.
func switchTool(app *edge.App, w http.ResponseWriter, r *http.Request, turn func(*noticeboard.Live, context.Context, noticeboard.Stop) error) error {
	var body switchRequest
	if err := admin.Read(w, r, &body, "tool, url, by and why"); err != nil {
		return err
	}
	by, err := admin.Operator(body.By)
	if err != nil {
		return err
	}
	if err := audit.CheckReason(body.Why); err != nil {
		return admin.BadRequest(err)
	}
	answer := switchResponse{Tool: body.Tool, Prefix: body.URL}
	if tool, known := app.Noticeboard().Board().Lookup(body.Tool); known {
		if answer.Prefix, err = noticeboard.ParsePrefix(tool, body.URL); err != nil {
			return admin.BadRequest(err)
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), switchTimeout)
	defer cancel()
	err = turn(app.Noticeboard().Live, ctx, noticeboard.Stop{Tool: body.Tool, Prefix: body.URL, By: by, Why: body.Why})
	if errors.Is(err, noticeboard.ErrThisNodeOnly) {
		answer.Warning, err = err.Error(), nil
	}
	if err != nil {
		return switchError(app.Noticeboard(), err)
	}
	return admin.WriteJSON(w, answer)
}

func switchError(board *edge.Noticeboard, err error) error {
	if refusal, ok := refusal.Of(err); ok && refusal.Reason == noticeboard.ReasonUnknown {
		var names []string
		for tool := range board.Board().All() {
			names = append(names, tool.Name)
		}
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("%w (there are: %s)", err, strings.Join(names, ", "))}
	}
	if _, refused := refusal.Of(err); refused || errors.Is(err, noticeboard.ErrNotStopped) {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
	}
	for _, mistake := range []error{
		noticeboard.ErrStopName, noticeboard.ErrPrefix, noticeboard.ErrBy, noticeboard.ErrWhy, noticeboard.ErrFull,
	} {
		if errors.Is(err, mistake) {
			return admin.BadRequest(err)
		}
	}
	return err
}
