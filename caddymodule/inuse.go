package caddymodule

import (
	"errors"

	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/lookup/audit/boltfile"
	"github.com/wikiveil/wikiveil/lookup/sightings/boltstore"
)

// inUse reports whether err is that another process has a file.
func inUse(err error) bool {
	for _, inUse := range []error{boltstore.ErrInUse, audit.ErrInUse, access.ErrInUse, reports.ErrInUse, boltfile.ErrInUse} {
		if errors.Is(err, inUse) {
			return true
		}
	}
	return false
}
