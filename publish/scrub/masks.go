package scrub

import (
	"net/netip"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/publish/find"
)

// rememberedMasks is how many masks a worker remembers, a power of 2: a log names the same clients over and over.
const rememberedMasks = 1 << 12

// masks makes the masks of one worker. It isn't safe for concurrent use.
type masks struct {
	masker     *masking.Masker
	spell      func(netip.Addr) string
	remembered [rememberedMasks]struct {
		of   netip.Prefix
		mask string
	}
}

// text returns a mask as it's spelled here.
func (m *masks) text(network netip.Prefix) (string, error) {
	all := network.Addr().As16()
	spread := uint32(2166136261) // FNV-1a
	for _, b := range all {
		spread = (spread ^ uint32(b)) * 16777619
	}
	spot := &m.remembered[(spread^spread>>16)%rememberedMasks]
	if spot.of == network {
		return spot.mask, nil
	}
	mask, err := m.masker.Block(network)
	if err != nil {
		return "", err
	}
	spot.of, spot.mask = network, m.spell(mask)
	return spot.mask, nil
}

// put appends the mask of what was found. A port goes with its address: it would single a client out.
func (m *masks) put(dst []byte, f find.Found) ([]byte, error) {
	mask, err := m.text(f.Net)
	if err != nil {
		return dst, err
	}
	if f.Port {
		return append(append(append(dst, '['), mask...), "]:0"...), nil
	}
	return append(dst, mask...), nil
}
