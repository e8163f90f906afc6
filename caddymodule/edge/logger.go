package edge

import (
	"context"
	"log/slog"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
)

// Log is the log of what outlives a config: that of the config in use now. The log of the
// config that made it may be closed.
func Log() *zap.Logger { return caddy.Log().Named("wikiveil") }

// Slog is Log for libraries.
func Slog() *slog.Logger { return slog.New(pooledHandler{}) }

// pooledHandler hands each record to the log of the config in use.
type pooledHandler struct{ attrs []slog.Attr }

func (h pooledHandler) current() slog.Handler {
	return zapslog.NewHandler(Log().Core(), zapslog.WithName("wikiveil"), zapslog.AddStacktraceAt(slog.Level(127))).WithAttrs(h.attrs)
}

// Enabled implements slog.Handler.
func (h pooledHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.current().Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h pooledHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.current().Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h pooledHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return pooledHandler{append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// WithGroup implements slog.Handler; nothing here groups.
func (h pooledHandler) WithGroup(string) slog.Handler { return h }

// Interface guards
var (
	_ slog.Handler = pooledHandler{}
)
