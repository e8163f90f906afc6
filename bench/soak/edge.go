package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/bench/internal/process"
)

// edge is the process under load.
type edge struct {
	*process.Process
	admin      string // host:port
	wiki, tool string // host:port
	loads      int    // of configs
	disabled   bool   // the tool that is switched
}

const proxies = "127.88.0.0/24"

// Variants change what is in none of its other parts over reloads.
const caddyfile = `{
	admin ADMIN
	persist_config off
	auto_https off
	default_bind 127.0.0.1
	grace_period 2s
	metrics
	storage file_system DIR/storage
	log {
		output file DIR/edge.log {
			roll_disabled
		}
		format masked json
	}
	servers {
		trusted_proxies static ` + proxies + `
		trusted_proxies_strict
	}
	wikiveil {
		data_dir DIR/data
		sightings
		tool steady http://TOOL {
			kinds img
			limit 1000000/1s
			client_limit 1000000/1s
			allow_loopback
		}
		tool switched http://TOOL {
			kinds img
			purpose "PURPOSE"
			limit 1000000/1s
			client_limit 1000000/1s
			allow_loopback
		}
	}
}
http://soak.test:PORT {
	log {
		output file DIR/access.log {
			roll_disabled
		}
		format masked ENCODER
	}
	client_mask {
		networks NETWORKS
	}
	csp {
		site soak
		reports
		ALLOW
	}
	anonproxy
	reverse_proxy WIKI
	handle_errors {
		reverse_proxy WIKI
	}
}
`

// variants are the configs that take turns.
var variants = []*strings.Replacer{
	strings.NewReplacer("PURPOSE", "Maps", "ENCODER", "json", "NETWORKS", "xff", "ALLOW", ""),
	strings.NewReplacer("PURPOSE", "Maps of places", "ENCODER", "console", "NETWORKS", "header", "ALLOW", "allow img-src https://img.example"),
	strings.NewReplacer("PURPOSE", "Maps", "ENCODER", "json", "NETWORKS", "off", "ALLOW", "first_party https://m.example"),
}

func (e *edge) config(dir, address string) string {
	text := variants[e.loads%len(variants)].Replace(caddyfile)
	return strings.NewReplacer("DIR", dir, "PORT", address[strings.LastIndexByte(address, ':')+1:], "ADMIN", e.admin, "TOOL", e.tool, "WIKI", e.wiki).Replace(text)
}

func startEdge(ctx context.Context, binary, wiki, tool string) (*edge, error) {
	admin, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	e := &edge{admin: admin, wiki: wiki, tool: tool}
	e.Process, err = process.Start(ctx, "edge", binary, func(address, dir string) ([]string, error) {
		file := filepath.Join(dir, "Caddyfile")
		return []string{"run", "--config", file}, os.WriteFile(file, []byte(e.config(dir, address)), 0o600)
	})
	return e, err
}

// ask sends the admin API a request and returns its answer, with its header.
func (e *edge) ask(ctx context.Context, method, path, kind, body string) (header http.Header, answer string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+e.admin+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Content-Type", kind)
	r.Close = true // each config has an endpoint of its own
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("admin API, %s: %s: %s", path, resp.Status, data)
	}
	return resp.Header, string(data), err
}

// get asks until the endpoint is there: a reload ends one and begins another.
func (e *edge) get(ctx context.Context, path string) (header http.Header, answer string, err error) {
	for range 20 {
		if header, answer, err = e.ask(ctx, http.MethodGet, path, "", ""); err == nil {
			return header, answer, nil
		}
		if !sleep(ctx, 50*time.Millisecond) {
			break
		}
	}
	return nil, "", err
}

// reload has the next variant be the config.
func (e *edge) reload(ctx context.Context) error {
	e.loads++
	_, _, err := e.ask(ctx, http.MethodPost, "/load", "text/caddyfile", e.config(e.Dir, e.Address))
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // the endpoint that was asked ended with its config
	}
	return err
}

func (e *edge) post(ctx context.Context, path string, body any) (string, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	_, answer, err := e.ask(ctx, http.MethodPost, path, "application/json", string(data))
	return answer, err
}

// rotate plans an epoch and destroys those that don't count any more.
func (e *edge) rotate(ctx context.Context) error {
	if _, err := e.post(ctx, "/wikiveil/keys/rotate", map[string]any{"force": true}); err != nil {
		return err
	}
	_, answer, err := e.get(ctx, "/wikiveil/keys")
	if err != nil {
		return err
	}
	var ring struct {
		Epochs []struct {
			ID, State string
			Destroyed *time.Time
		}
	}
	if err := json.Unmarshal([]byte(answer), &ring); err != nil {
		return err
	}
	for _, epoch := range ring.Epochs {
		if epoch.State != "not counted" || epoch.Destroyed != nil {
			continue
		}
		if _, err := e.post(ctx, "/wikiveil/keys/remove", map[string]any{"id": epoch.ID, "now": true}); err != nil {
			return err
		}
	}
	return nil
}

// switchTool disables a tool, or enables it again.
func (e *edge) switchTool(ctx context.Context) error {
	action := "disable"
	if e.disabled {
		action = "enable"
	}
	_, err := e.post(ctx, "/wikiveil/tools/"+action, map[string]any{"tool": "switched", "by": "soak", "why": "soak"})
	if err == nil {
		e.disabled = !e.disabled
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
