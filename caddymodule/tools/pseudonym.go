package tools

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// pseudonymUse is what the pseudonyms' key is derived for: with a new epoch all are new.
const pseudonymUse = "pseudonym"

// pseudonyms makes the names that readers have toward tools that declare it.
type pseudonyms struct {
	keys    *edge.KeyRing
	current atomic.Pointer[pseudonymKey]
}

// pseudonymKey is the key under the epochs that are active.
type pseudonymKey struct {
	epochs *edge.Epochs
	key    []byte
}

// of returns a reader's name toward a tool; "", for which the tool isn't asked, where there is
// no mask to make it from.
func (p *pseudonyms) of(tool *noticeboard.Tool, reader anonproxy.Reader, now time.Time) string {
	epochs := p.keys.Epochs()
	mask, err := netip.ParseAddr(reader.Client)
	if err != nil || !masking.Is(mask) || epochs == nil || len(epochs.List) == 0 {
		return ""
	}
	made := p.current.Load()
	if made == nil || made.epochs != epochs {
		key, err := epochs.List[0].Key(pseudonymUse)
		if err != nil {
			return ""
		}
		made = &pseudonymKey{epochs, key}
		p.current.Store(made)
	}
	return anonproxy.Pseudonym(made.key, now, tool, reader.Client)
}
