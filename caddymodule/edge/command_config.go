package edge

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/certmagic"
)

// ReadConfig returns the Wikiveil app and the storage of a config; of none, the defaults.
func ReadConfig(ctx context.Context, path, adapter string) (*App, certmagic.Storage, error) {
	app := new(App)
	if path == "" {
		return app, caddy.DefaultStorage, nil
	}
	data, _, _, err := caddycmd.LoadConfig(path, adapter)
	if err != nil {
		return nil, nil, err
	}
	var config struct {
		Storage json.RawMessage            `json:"storage" caddy:"namespace=caddy.storage inline_key=module"`
		Apps    map[string]json.RawMessage `json:"apps"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if raw := config.Apps["wikiveil"]; raw != nil {
		if err := json.Unmarshal(raw, app); err != nil {
			return nil, nil, fmt.Errorf("reading the wikiveil app of %s: %w", path, err)
		}
	}
	if config.Storage == nil {
		return app, caddy.DefaultStorage, nil
	}
	caddyCtx, cancel := caddy.NewContext(caddy.Context{Context: ctx})
	defer cancel()
	module, err := caddyCtx.LoadModule(&config, "Storage")
	if err != nil {
		return nil, nil, fmt.Errorf("loading the storage of %s: %w", path, err)
	}
	storage, err := module.(caddy.StorageConverter).CertMagicStorage()
	return app, storage, err
}
