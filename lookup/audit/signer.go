package audit

import "crypto"

// Signer signs what isn't a checkpoint with the key that checkpoints are signed with, so that
// a site has one public key to be known by. What it signs must begin otherwise than
// the tags of this package, as a DSSE envelope does.
func (k *Keys) Signer() crypto.Signer { return k.sign }
