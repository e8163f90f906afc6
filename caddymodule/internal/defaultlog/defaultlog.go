package defaultlog

import (
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/caddyprivate"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective(defaultLogDirective, captureDefaultLog)
	httpcaddyfile.RegisterDirectiveOrder(defaultLogDirective, httpcaddyfile.Before, "tracing")
}

// maskDefaultLog gives a Caddyfile that says nothing of the default log the global option
//
//	log {
//	    format masked
//	}
//
// It can't fail: where a newer Caddy doesn't let it, the config is refused when it's provisioned.
func maskDefaultLog(h httpcaddyfile.Helper) {
	options := caddyprivate.Options(&h)
	logs, _ := h.Option("log").([]httpcaddyfile.ConfigValue)
	if options == nil || hasDefaultLog(logs) {
		return
	}
	if masked, ok := defaultLogs.make(); ok {
		options["log"] = append(logs[:len(logs):len(logs)], masked...)
	}
}

// Masked makes the function that parses a directive do so.
func Masked[T any](parse func(httpcaddyfile.Helper) (T, error)) func(httpcaddyfile.Helper) (T, error) {
	return func(h httpcaddyfile.Helper) (T, error) {
		maskDefaultLog(h)
		return parse(h)
	}
}

func hasDefaultLog(logs []httpcaddyfile.ConfigValue) bool {
	return slices.ContainsFunc(logs, func(log httpcaddyfile.ConfigValue) bool { return caddyprivate.LogName(log) == caddy.DefaultLoggerName })
}

// defaultLogDirective shows us what Caddy makes of the global option, whose type it keeps to itself. It stands
// in defaultLogFile alone.
const (
	defaultLogDirective = "wikiveil_default_log"
	defaultLogFile      = "the masked default log"
)

// defaultLogMaker makes masked default logs, by adapting a Caddyfile that has one.
type defaultLogMaker struct {
	mu   sync.Mutex // one at a time
	made []httpcaddyfile.ConfigValue
}

var defaultLogs defaultLogMaker

func (m *defaultLogMaker) make() ([]httpcaddyfile.ConfigValue, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made = nil
	_, _, err := caddyfile.Adapter{ServerType: httpcaddyfile.ServerType{}}.Adapt(
		[]byte("{\n\tlog {\n\t\tformat masked\n\t}\n}\n:80 {\n\t"+defaultLogDirective+"\n}\n"), map[string]any{"filename": defaultLogFile})
	return m.made, err == nil && hasDefaultLog(m.made)
}

func captureDefaultLog(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	if h.File() != defaultLogFile {
		return nil, h.Err("this directive is for Wikiveil's own use")
	}
	defaultLogs.made, _ = h.Option("log").([]httpcaddyfile.ConfigValue)
	return caddyhttp.VarsMiddleware{}, nil
}
