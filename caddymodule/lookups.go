package caddymodule

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/lookup/access"
)

// QuotaConfig bounds what each user may do a day (UTC), since comparing masks is an oracle.
type QuotaConfig struct {
	// Info is the number of masks looked up or compared. Default: 100.
	Info int `json:"info,omitempty"`
	// Reveal is the number of reveals. Default: 20.
	Reveal int `json:"reveal,omitempty"`
}

func (c *QuotaConfig) limits() access.Limits {
	if c == nil {
		return access.Limits{}
	}
	return access.Limits{Info: c.Info, Reveal: c.Reveal}
}

func (c *QuotaConfig) validate() error {
	for _, n := range []int{c.limits().Info, c.limits().Reveal} {
		if n < 0 || n > access.MaxLimit {
			return fmt.Errorf("quota %d is not from 1 to %d", n, access.MaxLimit)
		}
	}
	return nil
}

// lookups are where masks are looked up and revealed: what all sites of a config share for it.
type lookups struct {
	held       pool.Held      // until the last look-up under way has ended: the records, the keys and the clock, too
	confirming *confirmations // nil: no site looks masks up
	log        *auditLog      // nil before the start
	quotas     *access.Quotas
}

var errNoSightings = errors.New("masks can't be looked up where nothing is recorded: set `sightings` in the wikiveil global option")

// provision has all opened at the start that a site needs which looks masks up.
func (l *lookups) provision(ctx caddy.Context, a *App) {
	if l.confirming != nil {
		return
	}
	l.confirming = a.confirmations()
	a.onStart(func() error { return l.open(ctx, a) })
}

func (l *lookups) open(ctx caddy.Context, a *App) (err error) {
	if l.log, err = openAuditLog(ctx, &l.held, a); err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	key, open, err := a.store("quotas", "look-ups and reveals get 503")
	if err != nil {
		return err
	}
	counts, err := stores.Acquire(&l.held, key, pool.Closing(open))
	if err != nil {
		return fmt.Errorf("opening the quotas: %w", err)
	}
	l.quotas, err = access.NewQuotas(counts, l.log.keys.Quotas(), a.Quota.limits())
	return err
}

// won has old entries of the audit deleted as the config says that is in use now.
func (l *lookups) won(a *App) {
	if l.log == nil {
		return
	}
	if err := l.log.SetRetention(a.Audit.retention()); err != nil { // validate has seen to it
		a.logger.Error("audit log", zap.Error(err))
	}
}
