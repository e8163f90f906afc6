package caddymodule

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"

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

// desk is where masks are looked up and revealed: what all sites of a config share for it.
type desk struct {
	book   *recordBook
	keys   *keyRing
	log    *auditLog
	quotas *access.Quotas

	confirming *confirmations // the app's
}

var errNoSightings = errors.New("masks can't be looked up where nothing is recorded: set `sightings` in the wikiveil global option")

// openDesk returns the app's desk, opened by the first site that needs it.
func (a *App) openDesk(ctx caddy.Context) (_ *desk, err error) {
	a.deskMu.Lock()
	defer a.deskMu.Unlock()
	if a.desk != nil {
		return a.desk, nil
	}
	d := &desk{book: a.book, keys: a.keys, confirming: a.consents.confirming}
	if d.log, err = openAuditLog(ctx, &a.lookups, a); err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	key, open, err := a.store("quotas", "look-ups and reveals get 503")
	if err != nil {
		return nil, err
	}
	counts, err := stores.Acquire(&a.lookups, key, pool.Closing(open))
	if err != nil {
		return nil, fmt.Errorf("opening the quotas: %w", err)
	}
	if d.quotas, err = access.NewQuotas(counts, d.log.keys.Quotas(), a.Quota.limits()); err != nil {
		return nil, err
	}
	a.desk = d
	return d, nil
}
