package mask

import (
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/internal/caddyprivate"
)

// checkLogs refuses a config with a log that is neither masked nor said to be raw. It reports whether
// Go's own log is one of them.
func checkLogs(ctx caddy.Context) (hasSink bool, err error) {
	logs, err := caddyprivate.Logs(ctx)
	if err != nil {
		return false, fmt.Errorf("can't tell whether the logs are masked: %w", err)
	}
	var errs []error
	for _, log := range logs {
		hasSink = hasSink || log.Name == caddyprivate.Sink
		errs = append(errs, checkLog(log))
	}
	return hasSink, errors.Join(errs...)
}

func checkLog(l caddyprivate.Log) error {
	var problem string
	switch {
	case caddyprivate.EncodedBy[*RawEncoder](l) || l.Core == "zapcore.nopCore": // allowed, or thrown away
		return nil
	case !caddyprivate.EncodedBy[*MaskedEncoder](l):
		problem = "is not masked"
	case l.Core == "*zapcore.ioCore" || l.Core == "*zapcore.sampler":
		return nil
	default:
		problem = "has a core of its own, which is not masked"
	}
	what := fmt.Sprintf("the log %q", l.Name)
	if l.File != "" {
		what += " to " + l.File
	}
	return fmt.Errorf("%s %s and would hold addresses of clients; %s", what, problem, wayOut(l.Name))
}

// wayOut says what to write, as the Caddyfile has it.
func wayOut(log string) string {
	var block string
	switch log {
	case caddy.DefaultLoggerName:
		block = `the global option log { format masked }, in JSON "encoder": {"format": "masked"} in logging.logs.default,`
	case caddyprivate.Sink:
		block = `"encoder": {"format": "masked"} in logging.sink`
	default:
		block = "format masked in its log block"
	}
	return "set " + block + ` (masked json, masked console and so on wrap another encoder, as the outermost), or "format raw" to allow it`
}

// keptLogs is where the logs of a config that starts go.
type keptLogs struct {
	logger *zap.Logger // the default log
	std    io.Writer   // of Go's own log
	before *keptLogs
	over   bool
}

// lastLogs are those of the config in use, to go back to when another is refused or doesn't start: Caddy has
// switched to that one's by then.
var (
	lastLogs   *keptLogs
	lastLogsMu sync.Mutex
)

// keepLogs is called when a config starts.
func keepLogs(hasSink bool) *keptLogs {
	lastLogsMu.Lock()
	defer lastLogsMu.Unlock()
	if !hasSink {
		// Caddy hands what is written to Go's own log to the log of before the first config, unmasked.
		log.SetOutput(stdLog{})
	}
	lastLogs = &keptLogs{logger: caddy.Log(), std: log.Writer(), before: lastLogs}
	return lastLogs
}

// end is called when the config ends: after the next has won, or because it failed and gives way to the one before.
func (k *keptLogs) end() {
	if k == nil {
		return
	}
	lastLogsMu.Lock()
	defer lastLogsMu.Unlock()
	k.over = true
	if lastLogs == k {
		lastLogs = k.before
		if lastLogs != nil && lastLogs.over {
			lastLogs = nil
		}
		lastLogs.restore()
	} else if lastLogs != nil && lastLogs.before == k {
		lastLogs.before = nil // a log holds its config
	}
	k.before = nil
}

// restoreLogs gives the logs back to the config in use, if there is one.
func restoreLogs() {
	lastLogsMu.Lock()
	defer lastLogsMu.Unlock()
	lastLogs.restore()
}

func (k *keptLogs) restore() {
	if k == nil {
		return
	}
	caddy.BufferedLog()
	caddy.UnbufferDefaultLogger(k.logger)
	log.SetOutput(k.std)
}

// stdLog hands what is written to Go's own log to the default log of the config in use.
type stdLog struct{}

func (stdLog) Write(line []byte) (int, error) {
	caddy.Log().Named("stdlib").Info(strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}
