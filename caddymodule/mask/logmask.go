package mask

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/masklog"
)

// Logs open before apps are provisioned and outlive them, so the encoders find the key
// ring here. Until there is one, addresses are left out altogether.
var logMasks atomic.Pointer[logMasker]

// logMasker makes the masks that stand in logs.
type logMasker struct {
	keys   *edge.KeyRing
	config masking.SiteConfig
	salted bool     // masks without salts mustn't stand anywhere: the secret would be enough to make them again
	cached sync.Map // site label: *loggedSite
}

var _ = edge.NewPart[appLogs]()

// appLogs are what a config has for the logs, from its start to its stop.
type appLogs struct {
	hasSink        bool // a log for what is written to Go's own
	masker, before *logMasker
	kept           *keptLogs
}

// Provision refuses logs that aren't masked.
func (l *appLogs) Provision(ctx caddy.Context, a *edge.App) (err error) {
	if l.hasSink, err = checkLogs(ctx); err != nil {
		return err
	}
	a.OnStart(func() error {
		l.masker = &logMasker{keys: a.Keys(), config: a.SiteConfig(), salted: a.Salt != nil}
		l.before = logMasks.Swap(l.masker)
		l.kept = keepLogs(l.hasSink)
		return nil
	})
	return nil
}

// Stop has logs go where those of the config before do, where that goes on, and masked as by it.
func (l *appLogs) Stop() {
	if l.masker == nil { // it didn't come to its start
		restoreLogs()
		return
	}
	logMasks.CompareAndSwap(l.masker, l.before)
	l.before = nil
	l.kept.end()
}

type loggedSite struct {
	epochs *edge.Epochs
	masker *masking.Masker
}

// mask returns what stands for an address in the log of a site; a nil label is the app's.
func (l *logMasker) mask(addr netip.Addr, label *string) string {
	if l == nil || l.salted {
		return masklog.Masked
	}
	name := l.config.Label
	if label != nil {
		name = *label
	}
	epochs := l.keys.Epochs()
	site, _ := l.cached.Load(name)
	known, _ := site.(*loggedSite)
	if known == nil || known.epochs != epochs {
		masker, err := epochs.List[0].Masker(name, l.config.V6Prefix)
		if err != nil {
			return masklog.Masked
		}
		known = &loggedSite{epochs, masker}
		l.cached.Store(name, known)
	}
	mask, err := known.masker.Client(addr)
	if err != nil {
		return masklog.Masked
	}
	return mask.String()
}

// v6Prefix is how much of an IPv6 address one mask stands for.
func (l *logMasker) v6Prefix() int {
	if l == nil {
		return masking.DefaultV6Prefix
	}
	return l.config.V6Prefix
}
