package configcheck

import (
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"go.uber.org/zap"
)

// Warning is something that an operator should know of a config that works.
type Warning struct {
	File    string // or, without a line, the place in the JSON
	Line    int
	Message string
}

// Log is where warnings go; a variable for tests.
var Log = func() *zap.Logger { return caddy.Log().Named("caddyfile") }

// Warn gives a warning, once in an adaptation. A Helper takes none, so it goes where Caddy's commands log those that
// an adapter gives, in the same form.
func Warn(h httpcaddyfile.Helper, w Warning) {
	if remember(h.State, w) {
		Log().Warn(w.Message, zap.String("file", w.File), zap.Int("line", w.Line))
	}
}

// WarnHere gives a warning of the word that the helper is at.
func WarnHere(h httpcaddyfile.Helper, message string) {
	Warn(h, Warning{h.File(), h.Line(), message})
}

// WarnAt gives a warning of the word that a dispenser is at, as of a global option.
func WarnAt(d *caddyfile.Dispenser, message string) {
	Log().Warn(message, zap.String("file", d.File()), zap.Int("line", d.Line()))
}

// given are the messages of the last adaptation, so that they aren't given again by JSON place. The JSON has
// the long forms of placeholders.
var given struct {
	sync.Mutex
	messages map[string]bool
}

const stateKey = "wikiveil.warnings"

func remember(state map[string]any, w Warning) (fresh bool) {
	given.Lock()
	defer given.Unlock()
	known, ok := state[stateKey].(map[Warning]bool)
	if !ok {
		known = make(map[Warning]bool)
		state[stateKey] = known
		given.messages = make(map[string]bool)
	}
	fresh = !known[w]
	known[w], given.messages[longForm(w.Message)] = true, true
	return fresh
}

// logPlaced logs warnings of a config in JSON, unless they were given for its Caddyfile.
func logPlaced(logger *zap.Logger, warnings []Warning) {
	given.Lock()
	defer given.Unlock()
	for _, w := range warnings {
		if !given.messages[longForm(w.Message)] {
			logger.Warn(w.Message, zap.String("place", w.File))
		}
	}
}

// WarnOf gives a warning while a config is provisioned, unless it was given when its Caddyfile was adapted.
func WarnOf(logger *zap.Logger, message string) {
	given.Lock()
	defer given.Unlock()
	if !given.messages[longForm(message)] {
		logger.Warn(message)
	}
}
