package edge

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/internal/durable"
	"github.com/wikiveil/wikiveil/masking"
)

// ringWitness is a file in a node's data_dir that tells which epochs its storage had: that an empty or an older storage
// isn't taken for a new one. It holds no secret.
type ringWitness struct {
	file    string
	storage string // a hash of what the storage is called
}

type ringWitnessFile struct {
	Storage string   `json:"storage"`
	Epochs  []string `json:"epochs"`
}

func newRingWitness(dir, storage string) *ringWitness {
	sum := sha256.Sum256([]byte(storage))
	return &ringWitness{filepath.Join(dir, "keyring-known.json"), hex.EncodeToString(sum[:8])}
}

// check refuses a ring that lacks what the file knows; nil is no ring.
func (w *ringWitness) check(ring *masking.Ring) error {
	data, err := os.ReadFile(w.file)
	var known ringWitnessFile
	if err != nil || json.Unmarshal(data, &known) != nil || known.Storage != w.storage {
		return nil // it knows nothing of this storage
	}
	missing := known.Epochs
	if ring != nil {
		missing = slices.DeleteFunc(missing, ring.Knows)
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("the key ring in the storage lacks %d epochs that this edge had (%s): is the storage's volume mounted, or an older copy restored?"+
		" Bring the newest back; to go on without them on purpose, delete %s: no mask, block or record made under them counts any more",
		len(missing), missing[0], w.file)
}

// note writes down what the ring has now.
func (w *ringWitness) note(ring *masking.Ring) {
	known := ringWitnessFile{Storage: w.storage}
	for _, e := range ring.Epochs() {
		known.Epochs = append(known.Epochs, e.ID())
	}
	data, err := json.Marshal(known)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(w.file), 0o700)
	}
	if err == nil {
		err = durable.Replace(w.file, data)
	}
	if err != nil {
		Log().Warn("key ring: it can't be noted which epochs there are, so an empty storage would be taken for a new one at the next start", zap.Error(err))
	}
}
