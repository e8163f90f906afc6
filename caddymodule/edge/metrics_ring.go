package edge

import (
	"github.com/wikiveil/wikiveil/caddymodule/internal/metrics"
)

var (
	ringBroken    = metrics.NewGauge("keyring_broken", "1 where the key ring in the storage can't be read, is gone or an older copy, and the last good one holds.")
	ringDisagree  = metrics.NewGauge("keyring_disagree", "1 where edges that share the key ring have different policies for it; the longest of each holds.")
	ringEpochs    = metrics.NewGauge("keyring_epochs", "Epochs of the key ring, and how many of them will be destroyed.", "state")
	ringDestroyed = metrics.NewCounter("keyring_destroyed_total", "Epochs whose secrets this edge has destroyed.")
)

// ringReadings are of a key ring in a storage; of configured secrets nothing is to be told.
func ringReadings(keys *KeyRing) metrics.Readings {
	return metrics.ReadingsOf(func(tell metrics.Telling) {
		s := keys.shared
		if s == nil {
			return
		}
		tell(ringBroken, metrics.Truth(s.broken.Load()))
		tell(ringDisagree, metrics.Truth(s.disagreeing.Load()))
		epochs := keys.ring.Load().Epochs()
		marked := 0
		for _, e := range epochs {
			if !e.Destroy().IsZero() {
				marked++
			}
		}
		tell(ringEpochs, float64(len(epochs)-marked), "kept")
		tell(ringEpochs, float64(marked), "to_be_destroyed")
		tell(ringDestroyed, float64(s.destroyed.Load()))
	}, ringBroken, ringDisagree, ringEpochs, ringDestroyed)
}
