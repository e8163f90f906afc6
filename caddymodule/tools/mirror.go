package tools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/anonproxy/mirror"
	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
)

// mirrorPoll is how long a change of the noticeboard waits at most to have its mirrored
// files fetched.
const mirrorPoll = 2 * time.Second

// mirrorStores keep mirrored files over config reloads, by directory.
var mirrorStores = pool.New[*mirror.Store]("mirrors")

// appMirrors is what the app has of mirrors.
type appMirrors struct {
	store *mirror.Store

	mu   sync.Mutex
	fill []func(context.Context) // of each site
	ends []func()                // of those that run
}

// openMirrors takes the store of mirrored files into use. No file is touched yet, as the
// config may only be validated.
func (t *tools) openMirrors(a *edge.App) error {
	option, dir := "data_dir", filepath.Join(a.FilesDir(), "mirrors")
	if a.MirrorDir != "" {
		if dir = caddy.NewReplacer().ReplaceAll(a.MirrorDir, ""); dir == "" {
			return fmt.Errorf("mirror_dir %s is empty", a.MirrorDir)
		}
		option = "mirror_dir"
	}
	if info, err := os.Stat(dir); errors.Is(err, syscall.ENOTDIR) || err == nil && !info.IsDir() {
		return fmt.Errorf("%s: %s is not a directory", option, dir)
	}
	t.mirrors.store = holdMirrorStore(a.Held(), dir)
	return nil
}

// holdMirrorStore takes the store of a directory into use.
func holdMirrorStore(held *pool.Held, dir string) *mirror.Store {
	store, _ := mirrorStores.Acquire(held, dir, pool.Closing(func() (*mirror.Store, error) { // never an error
		return mirror.New(mirror.Config{Dir: dir}), nil
	}))
	return store
}

// add has something done while the app runs.
func (m *appMirrors) add(fill func(context.Context)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fill = append(m.fill, fill)
}

func (m *appMirrors) start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, fill := range m.fill {
		m.ends = append(m.ends, edge.InBackground(fill))
	}
}

// stop ends what start began, if it did.
func (m *appMirrors) stop() {
	m.mu.Lock()
	ends := m.ends
	m.ends = nil
	m.mu.Unlock()
	for _, end := range ends {
		end()
	}
}

// fillMirrors has mirrored files fetched that aren't there, and those of tools that come.
func (h *AnonProxy) fillMirrors(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		wait := mirrorPoll
		if proxy, done, err := h.present(); err == nil { // it is an error for requests too
			wait = min(wait, proxy.FillMirrors(ctx))
			done()
		}
		timer.Reset(wait)
	}
}
