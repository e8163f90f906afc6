package lookup

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

var lookupParts = edge.NewPart[lookups]()

// lookups are where masks are looked up and revealed: what all sites of a config share for it.
type lookups struct {
	app        *edge.App
	ctx        caddy.Context
	confirming *edge.Confirmations // nil: no site looks masks up
	log        *auditLog           // nil before the start
	quotas     *access.Quotas
}

var errNoSightings = errors.New("masks can't be looked up where nothing is recorded: set `sightings` in the wikiveil global option")

// Provision implements what [edge.Part] calls.
func (l *lookups) Provision(ctx caddy.Context, a *edge.App) error {
	l.app, l.ctx = a, ctx
	return nil
}

// use has all opened at the start that a site needs which looks masks up.
func (l *lookups) use() {
	if l.confirming == nil {
		l.confirming = l.app.Confirmations()
		l.app.OnStart(l.open)
	}
}

func (l *lookups) open() (err error) {
	ctx, a := l.ctx, l.app
	if l.log, err = openAuditLog(ctx, a.HeldByLookups(), a); err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	key, open, err := a.Store("quotas", "look-ups and reveals get 503")
	if err != nil {
		return err
	}
	counts, err := edge.Stores.Acquire(a.HeldByLookups(), key, pool.Closing(open))
	if err != nil {
		return fmt.Errorf("opening the quotas: %w", err)
	}
	a.AuditTo(l.record)
	l.quotas, err = access.NewQuotas(counts, l.log.keys.Quotas(), a.Quota.Limits())
	return err
}

func (l *lookups) record(ctx context.Context, entry audit.Entry) error {
	_, err := l.log.Append(ctx, entry)
	return err
}

// InUse has old entries of the audit deleted as the config says that is in use now.
func (l *lookups) InUse() {
	if l.log == nil {
		return
	}
	if err := l.log.SetRetention(l.app.Audit.KeepFor()); err != nil { // validate has seen to it
		l.app.Logger().Error("audit log", zap.Error(err))
	}
}
