package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/masking"
)

const (
	adminKeys       = "/wikiveil/keys"
	adminRotate     = "/wikiveil/keys/rotate"
	adminKeepKey    = "/wikiveil/keys/keep"
	adminRemoveKey  = "/wikiveil/keys/remove"
	stateCurrent    = "current"
	stateKept       = "kept"
	statePlanned    = "planned"
	stateNotCounted = "not counted"
)

func init() {
	// The key ring's ids and times, which the others change before.
	HandleAdmin(adminKeys, listKeys, http.MethodGet)
	HandleAdmin(adminRotate, rotateKeys, http.MethodPost)   // plans a new epoch {?force}
	HandleAdmin(adminKeepKey, keepKey, http.MethodPost)     // keeps an old epoch {id}
	HandleAdmin(adminRemoveKey, removeKey, http.MethodPost) // has an old epoch destroyed {id, ?now}
}

// keyList is the response to each of these requests.
type keyList struct {
	// Configured is whether the secrets come from the configuration.
	Configured bool       `json:"configured"`
	Epochs     []keyEpoch `json:"epochs"`
}

type keyEpoch struct {
	ID string `json:"id"`
	// Start is missing for a configured secret.
	Start *time.Time `json:"start,omitempty"`
	// State is "current", "kept" (counts for blocks and look-ups), "planned" or "not counted".
	State string `json:"state"`
	// Held: an operator has it kept, however old it is.
	Held bool `json:"held,omitempty"`
	// Ahead: it starts far in the future, so a wrong clock made it.
	Ahead bool `json:"ahead,omitempty"`
	// Destroyed is when the secret will be destroyed.
	Destroyed *time.Time `json:"destroyed,omitempty"`
}

// rotateRequest may be missing.
type rotateRequest struct {
	// Force rotates again within a minute of the last rotation.
	Force bool `json:"force,omitempty"`
}

// keyRequest names an epoch.
type keyRequest struct {
	ID string `json:"id"`
	// Now has its secret destroyed at once, for good. Of remove alone.
	Now bool `json:"now,omitempty"`
}

func listKeys(app *App, w http.ResponseWriter, r *http.Request) error {
	return writeKeys(w, app)
}

func rotateKeys(app *App, w http.ResponseWriter, r *http.Request) error {
	var body rotateRequest
	return changeKeys(app, w, r, &body, "force", func(ctx context.Context, k *masking.Keeper) (*masking.Ring, error) {
		return k.Rotate(ctx, body.Force)
	})
}

func keepKey(app *App, w http.ResponseWriter, r *http.Request) error {
	var body keyRequest
	return changeKeys(app, w, r, &body, "id", func(ctx context.Context, k *masking.Keeper) (*masking.Ring, error) {
		return k.Hold(ctx, body.ID)
	})
}

func removeKey(app *App, w http.ResponseWriter, r *http.Request) error {
	var body keyRequest
	return changeKeys(app, w, r, &body, "id and now", func(ctx context.Context, k *masking.Keeper) (*masking.Ring, error) {
		grace := app.policy().Grace
		if body.Now {
			grace = 0
		}
		return k.Remove(ctx, body.ID, grace)
	})
}

// changeKeys reads the body, if there is one, changes the ring and responds with it.
func changeKeys(app *App, w http.ResponseWriter, r *http.Request, body any, fields string,
	change func(context.Context, *masking.Keeper) (*masking.Ring, error),
) error {
	if r.ContentLength != 0 {
		if err := admin.Read(w, r, body, fields); err != nil {
			return err
		}
	}
	err := app.keys.change(r.Context(), change)
	if err != nil {
		return caddy.APIError{HTTPStatus: statusOfKeys(err), Err: fmt.Errorf("changing the key ring: %w", err)}
	}
	app.logger.Info("key ring changed by an operator", zap.String("request", r.URL.Path), zap.Stringer("current", app.keys.Epochs().List[0]))
	return writeKeys(w, app)
}

func statusOfKeys(err error) int {
	switch {
	case errors.Is(err, masking.ErrNoEpoch):
		return http.StatusNotFound
	case errors.Is(err, errConfigured), errors.Is(err, masking.ErrRotated), errors.Is(err, masking.ErrInUse):
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

func writeKeys(w http.ResponseWriter, app *App) error {
	keys, now := app.keys, app.clock.Now()
	list := keyList{Configured: keys.shared == nil}
	active := keys.Epochs().List
	states := map[string]string{}
	for _, e := range keys.Readable() {
		states[e.ID()] = statePlanned
	}
	for _, e := range active {
		states[e.ID()] = stateKept
	}
	states[active[0].ID()] = stateCurrent
	for _, e := range keys.ring.Load().Epochs() {
		entry := keyEpoch{ID: e.ID(), State: states[e.ID()], Held: e.Held(), Ahead: e.Ahead(now)}
		if entry.State == "" {
			entry.State = stateNotCounted
		}
		if start := e.Start(); !start.IsZero() {
			entry.Start = &start
		}
		if destroyed := e.Destroy(); !destroyed.IsZero() {
			entry.Destroyed = &destroyed
		}
		list.Epochs = append(list.Epochs, entry)
	}
	return admin.WriteJSON(w, list)
}
