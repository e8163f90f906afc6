package caddymodule

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/wikiveil/wikiveil/masking"
)

// Logs open before apps are provisioned and outlive them, so the encoders find the key
// ring here. Until there is one, addresses are left out altogether.
var (
	logMasks       atomic.Pointer[logMasker]
	maskedEncoders atomic.Int64 // in use
)

// noMask stands for an address where no mask can be made.
const noMask = "masked"

// logMasker makes the masks that stand in logs.
type logMasker struct {
	keys   *keyRing
	config masking.SiteConfig
	cached sync.Map // site label: *loggedSite
}

type loggedSite struct {
	epochs *activeEpochs
	masker *masking.Masker
}

// mask returns what stands for an address in the log of a site; a nil label is the app's.
func (l *logMasker) mask(addr netip.Addr, label *string) string {
	if l == nil {
		return noMask
	}
	name := l.config.Label
	if label != nil {
		name = *label
	}
	epochs := l.keys.active.Load()
	site, _ := l.cached.Load(name)
	known, _ := site.(*loggedSite)
	if known == nil || known.epochs != epochs {
		masker, err := epochs.list[0].Masker(name, l.config.V6Prefix)
		if err != nil {
			return noMask
		}
		known = &loggedSite{epochs, masker}
		l.cached.Store(name, known)
	}
	mask, err := known.masker.Client(addr)
	if err != nil {
		return noMask
	}
	return mask.String()
}
