package lookup

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/lookup/audit"
)

// auditReport says whether a log is what was written. Nothing of its entries is in it.
type auditReport struct {
	Intact bool `json:"intact"`
	// Fault names the entry and what is wrong with it, unless the log is intact.
	Fault string `json:"fault,omitempty"`
	audit.Report
}

// reportOf tells faults of the log from failures to verify it.
func reportOf(r audit.Report, err error) (auditReport, error) {
	if err == nil {
		return auditReport{Intact: true, Report: r}, nil
	}
	for _, fault := range []error{audit.ErrTampered, audit.ErrDamaged, audit.ErrWrongKeys, audit.ErrSignature, audit.ErrPruned} {
		if errors.Is(err, fault) {
			return auditReport{Fault: err.Error(), Report: r}, nil
		}
	}
	return auditReport{}, err
}

// verifyRunning verifies the log while it is in use.
func (l *auditLog) verifyRunning(saved publishedLogs) (auditReport, error) {
	own := l.Checkpoint()
	err := l.inPlace()
	if err == nil && saved.PublicKey != "" && saved.PublicKey != hex.EncodeToString(l.PublicKey()) {
		err = fmt.Errorf("%w: the checkpoints were saved with another public key", audit.ErrWrongKeys)
	}
	if err != nil {
		return reportOf(audit.Report{Node: own.Node, Log: own.Log}, err)
	}
	return reportOf(l.Verify(saved.Checkpoints...))
}

// verifyFile verifies a file that no edge has open. Without a storage there are no keys to
// prove the entries' content with, and the public key is that of the saved checkpoints, if any.
func verifyFile(ctx context.Context, file string, storage certmagic.Storage, saved publishedLogs) (_ auditReport, err error) {
	store, err := audit.OpenBoltReadOnly(file)
	if errors.Is(err, audit.ErrInUse) {
		return auditReport{}, fmt.Errorf("%w: leave out --file, and the edge that has it open verifies it", err)
	}
	if err != nil {
		return auditReport{}, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	options := audit.VerifyOptions{Checkpoints: saved.Checkpoints}
	if saved.PublicKey != "" {
		if options.PublicKey, err = hex.DecodeString(saved.PublicKey); err != nil {
			return auditReport{}, errSaved
		}
	}
	if storage != nil {
		if options.Keys, err = existingAuditKeys(ctx, storage); err != nil {
			return auditReport{}, err
		}
		node, err := audit.NodeOf(store)
		if err != nil {
			return reportOf(audit.Report{}, err)
		}
		options.Heads = audit.StorageHeads(storage, node)
	}
	if options.PublicKey == nil && storage == nil && len(saved.Checkpoints) > 0 {
		return auditReport{}, errors.New("a single checkpoint has no public key in it: give --config too, or the whole saved answer")
	}
	return reportOf(audit.Verify(store, options))
}

// existingAuditKeys reads the keys and never makes any: they would prove nothing.
func existingAuditKeys(ctx context.Context, storage certmagic.Storage) (*audit.Keys, error) {
	if !storage.Exists(ctx, audit.KeysKey) {
		return nil, fmt.Errorf("there are no audit keys (%s) in the storage %v", audit.KeysKey, storage)
	}
	return audit.OpenKeys(ctx, storage)
}

var errSaved = errors.New("neither a saved answer of " + checkpointPath + " nor a checkpoint")

// parseSaved reads what somebody has saved: a whole response, or one checkpoint. Signatures are not checked.
func parseSaved(data []byte) (publishedLogs, error) {
	var form struct {
		PublicKey   *string            `json:"public_key"`
		Checkpoints []audit.Checkpoint `json:"checkpoints"`
	}
	err := json.Unmarshal(data, &form)
	if errors.Is(err, audit.ErrCheckpoint) {
		return publishedLogs{}, err
	}
	if err == nil && form.PublicKey != nil {
		if key, err := hex.DecodeString(*form.PublicKey); err != nil || len(key) != ed25519.PublicKeySize || len(form.Checkpoints) == 0 {
			return publishedLogs{}, errSaved
		}
		return publishedLogs{PublicKey: *form.PublicKey, Checkpoints: form.Checkpoints}, nil
	}
	c, err := audit.ParseCheckpoint(data)
	if err != nil {
		return publishedLogs{}, fmt.Errorf("%w: %w", errSaved, err)
	}
	return publishedLogs{Checkpoints: []audit.Checkpoint{c}}, nil
}

// add takes in what stands in another file. Both must be of the same key.
func (p *publishedLogs) add(other publishedLogs) error {
	if p.PublicKey != "" && other.PublicKey != "" && p.PublicKey != other.PublicKey {
		return fmt.Errorf("%w: it has another public key than the files before it", audit.ErrWrongKeys)
	}
	if p.PublicKey == "" {
		p.PublicKey = other.PublicKey
	}
	p.Checkpoints = append(p.Checkpoints, other.Checkpoints...)
	return nil
}
