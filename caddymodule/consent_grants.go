package caddymodule

import (
	"net/http"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/csp/exempt/boltgrants"
)

// maxGrantOwners bounds the file to some 100 MB.
const maxGrantOwners = 100_000

// grantStores are in use over config reloads.
var grantStores = caddy.NewUsagePool()

// grantStore keeps the grants of browsers that let a script write any cookie.
type grantStore struct {
	*boltgrants.Store
	key string // in grantStores
}

// Destruct implements caddy.Destructor.
func (s *grantStore) Destruct() error { return s.Store.Close() }

// openGrants returns the app's store, opened by the first site that needs it.
func (a *App) openGrants() (*grantStore, error) {
	a.consents.mu.Lock()
	defer a.consents.mu.Unlock()
	if a.consents.grants != nil {
		return a.consents.grants, nil
	}
	file, err := filepath.Abs(filepath.Join(a.dataDir(), "exemptions.db"))
	if err != nil {
		return nil, err
	}
	opened, _, err := grantStores.LoadOrNew(file, func() (caddy.Destructor, error) {
		store, err := boltgrants.Open(file, maxGrantOwners)
		if err != nil {
			return nil, err
		}
		return &grantStore{store, file}, nil
	})
	if err != nil {
		return nil, err
	}
	a.consents.grants = opened.(*grantStore)
	return a.consents.grants, nil
}

// close gives the store back.
func (s *grantStore) close() error {
	if s == nil {
		return nil
	}
	_, err := grantStores.Delete(s.key)
	return err
}

// maskOf is what no script can choose of where a request comes from: the mask.
func maskOf(r *http.Request) string {
	if client := clientOf(r); client != nil {
		return client.mask
	}
	return ""
}

// Interface guards
var (
	_ caddy.Destructor = (*grantStore)(nil)
	_ exempt.Store     = (*grantStore)(nil)
)
