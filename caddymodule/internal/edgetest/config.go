package edgetest

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
)

// WantRefused wants a config to be refused for a reason.
func WantRefused(t testing.TB, err error, reason string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), reason) {
		t.Errorf("got  %v\nwant %s", err, reason)
	}
}

// LoadErr loads a config that may be refused.
func LoadErr(t testing.TB, caddyfile string) error {
	t.Helper()
	return caddy.Load(Adapt(t, caddyfile), true)
}

// Adapt adapts a Caddyfile that is right.
func Adapt(t testing.TB, caddyfile string) []byte {
	t.Helper()
	config, _, err := AdaptWarnings(caddyfile)
	if err != nil {
		t.Fatalf("adapting: %v", err)
	}
	return config
}

var adapting sync.Mutex

// AdaptWarnings adapts a Caddyfile as commands do, from a file, and returns all warnings, those that are logged too.
func AdaptWarnings(caddyfile string) ([]byte, []caddyconfig.Warning, error) {
	dir, err := os.MkdirTemp("", "caddyfile")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(caddyfile), 0o600); err != nil {
		return nil, nil, err
	}
	adapting.Lock() // Log is for all
	defer adapting.Unlock()
	core, logs := observer.New(zap.WarnLevel)
	defer func(before func() *zap.Logger) { configcheck.Log = before }(configcheck.Log)
	configcheck.Log = func() *zap.Logger { return zap.New(core) }
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": file})
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), dir+"/", ""))
	}
	for _, entry := range logs.All() {
		said := entry.ContextMap()
		warnings = append(warnings, caddyconfig.Warning{File: filepath.Base(said["file"].(string)), Line: int(said["line"].(int64)), Message: entry.Message})
	}
	return config, warnings, err
}

// Validate does what `wikiveil validate` does.
func Validate(t testing.TB, caddyfile string) error {
	t.Helper()
	e := Place(t)
	data, _, err := AdaptWarnings(e.Expand(caddyfile))
	if err != nil {
		return err
	}
	var config caddy.Config
	if err := json.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	return caddy.Validate(&config)
}

// ValidateConfig validates a config in JSON. One that says nothing of logs gets them masked.
func ValidateConfig(config *caddy.Config) error {
	if config.Logging == nil {
		config.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{
			caddy.DefaultLoggerName: {BaseLog: caddy.BaseLog{EncoderRaw: json.RawMessage(`{"format": "masked"}`)}},
		}}
	}
	return caddy.Validate(config)
}

// Handler is the first handler of a kind in the running config.
func Handler[T any](t testing.TB) T {
	t.Helper()
	app, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range app.(*caddyhttp.App).Servers {
		if found, ok := handlerIn[T](server.Routes); ok {
			return found
		}
	}
	t.Fatal("the running config has no such handler")
	return *new(T)
}

func handlerIn[T any](routes caddyhttp.RouteList) (found T, ok bool) {
	for _, route := range routes {
		for _, handler := range route.Handlers {
			if found, ok = handler.(T); ok {
				return found, true
			}
			if inner, is := handler.(*caddyhttp.Subroute); is {
				if found, ok = handlerIn[T](inner.Routes); ok {
					return found, true
				}
			}
		}
	}
	return found, false
}
