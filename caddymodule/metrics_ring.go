package caddymodule

var (
	ringBroken    = gauge("keyring_broken", "1 where the key ring in the storage can't be read, is gone or an older copy, and the last good one holds.")
	ringDisagree  = gauge("keyring_disagree", "1 where edges that share the key ring have different policies for it; the longest of each holds.")
	ringEpochs    = gauge("keyring_epochs", "Epochs of the key ring, and how many of them will be destroyed.", "state")
	ringDestroyed = counter("keyring_destroyed_total", "Epochs whose secrets this edge has destroyed.")
)

// ringReadings are of a key ring in a storage; of configured secrets nothing is to be told.
func ringReadings(keys *keyRing) readings {
	return readingsOf(func(tell telling) {
		s := keys.shared
		if s == nil {
			return
		}
		tell(ringBroken, truth(s.broken.Load()))
		tell(ringDisagree, truth(s.disagreeing.Load()))
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
