package caddymodule

import (
	"errors"
	"fmt"

	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/masking/access"
	"github.com/wikiveil/wikiveil/masking/audit"
	"github.com/wikiveil/wikiveil/masking/audit/boltfile"
	"github.com/wikiveil/wikiveil/masking/sightings/boltstore"
)

// unlessInUse returns err unless it is that another process has the app's files. That is no fault of a config that
// is only validated beside a running edge; one that is to run fails at its start, and refuses whatever
// comes before.
func (a *App) unlessInUse(err error) error {
	if inUse(err) {
		a.othersUse.Store(&err)
		return nil
	}
	return err
}

// inUse reports whether err is that another process has a file.
func inUse(err error) bool {
	for _, inUse := range []error{boltstore.ErrInUse, audit.ErrInUse, access.ErrInUse, reports.ErrInUse, boltfile.ErrInUse} {
		if errors.Is(err, inUse) {
			return true
		}
	}
	return false
}

// checkInUse is the error that Start fails with.
func (a *App) checkInUse() error {
	if err := a.othersUse.Load(); err != nil {
		return fmt.Errorf("wikiveil: %w; is another edge running with the same data_dir?", *err)
	}
	return nil
}
