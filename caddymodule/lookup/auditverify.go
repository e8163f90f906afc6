package lookup

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/lookup/audit"
)

// auditReport says whether a log is what was written. Nothing of its entries is in it.
type auditReport struct {
	Intact bool `json:"intact"`
	// Fault names the entry and what is wrong with it, unless the log is intact.
	Fault string `json:"fault,omitempty"`

	Node    string      `json:"node,omitempty"`
	Log     audit.LogID `json:"log,omitzero"`
	Entries uint64      `json:"entries"`
	Reveals uint64      `json:"reveals"`
	Pruned  uint64      `json:"pruned"`
	// From and To are the times of the first and the last entry kept.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Followed is the number of checkpoints that the log continues, its head in the storage among them.
	Followed int `json:"followed"`
	// TooOld is how many are from before what is kept, OtherNodes how many are of other logs.
	TooOld     int `json:"too_old,omitempty"`
	OtherNodes int `json:"other_nodes,omitempty"`
	// Decrypted is whether the entries' content was proved too.
	Decrypted bool `json:"decrypted"`
}

// errNoneFollowed: to say "intact" would promise what was not proved.
var errNoneFollowed = errors.New("none of the given checkpoints can be followed")

// verifier is what it takes to verify a log against checkpoints that somebody has saved.
type verifier struct {
	own    audit.Checkpoint // how far the log is, and whose it is
	saved  publishedLogs    // what somebody has
	verify func(...audit.Checkpoint) (audit.Report, error)
}

// report verifies. Its error is one of what was asked for; what is wrong with the log is a fault.
func (v *verifier) report(key ed25519.PublicKey) (auditReport, error) {
	r := auditReport{Node: v.own.Node, Log: v.own.Log}
	follow, err := v.choose(key, &r)
	if err != nil {
		return faulty(r, err)
	}
	if len(v.saved.Checkpoints) > 0 && len(follow) == 0 {
		return auditReport{}, fmt.Errorf("%w: of %d, %d are of other nodes than %s and %d from before what is kept",
			errNoneFollowed, len(v.saved.Checkpoints), r.OtherNodes, v.own.Node, r.TooOld)
	}
	report, err := v.verify(follow...)
	if err != nil {
		return faulty(r, err)
	}
	r.Intact, r.Entries, r.Reveals, r.Pruned = true, report.Log.Entries, report.Log.Reveals, report.Log.Pruned
	r.From, r.To, r.Followed, r.Decrypted = report.From, report.To, report.Checkpoints, report.Decrypted
	return r, nil
}

// choose returns the saved checkpoints that the log has to continue.
func (v *verifier) choose(key ed25519.PublicKey, r *auditReport) (follow []audit.Checkpoint, err error) {
	if saved := v.saved.PublicKey; saved != "" && saved != hex.EncodeToString(key) {
		return nil, fmt.Errorf("%w: the checkpoints were saved with another public key", audit.ErrWrongKeys)
	}
	for _, c := range v.saved.Checkpoints {
		if err := c.Verify(key); err != nil {
			return nil, fmt.Errorf("checkpoint of %d entries of node %s: %w", c.Entries, c.Node, err)
		}
		switch {
		case c.Node != v.own.Node:
			r.OtherNodes++
		case c.Log == v.own.Log && c.Entries < v.own.Pruned:
			r.TooOld++
		default:
			follow = append(follow, c)
		}
	}
	return follow, nil
}

// faulty tells faults of the log from failures to verify it.
func faulty(r auditReport, err error) (auditReport, error) {
	for _, fault := range []error{audit.ErrTampered, audit.ErrDamaged, audit.ErrWrongKeys, audit.ErrSignature, audit.ErrPruned} {
		if errors.Is(err, fault) {
			r.Fault = err.Error()
			return r, nil
		}
	}
	return auditReport{}, err
}

// verifyRunning verifies the log while it is in use.
func (l *auditLog) verifyRunning(saved publishedLogs) (auditReport, error) {
	v := &verifier{own: l.Checkpoint(), saved: saved, verify: l.Verify}
	if err := l.inPlace(); err != nil {
		return faulty(auditReport{Node: v.own.Node, Log: v.own.Log}, err)
	}
	return v.report(l.PublicKey())
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
	var options audit.VerifyOptions
	if saved.PublicKey != "" {
		if options.PublicKey, err = hex.DecodeString(saved.PublicKey); err != nil {
			return auditReport{}, errSaved
		}
	}
	if storage != nil {
		if options.Keys, err = existingAuditKeys(ctx, storage); err != nil {
			return auditReport{}, err
		}
	}
	// Once by itself, to know whose log it is.
	alone, err := audit.Verify(store, options)
	if err != nil {
		return faulty(auditReport{}, err)
	}
	v := &verifier{own: alone.Log, saved: saved, verify: func(checkpoints ...audit.Checkpoint) (audit.Report, error) {
		with := options
		with.Checkpoints = checkpoints
		if storage != nil {
			with.Heads = audit.StorageHeads(storage, alone.Log.Node)
		}
		return audit.Verify(store, with)
	}}
	key := options.PublicKey
	if options.Keys != nil {
		key = options.Keys.Public()
	}
	if key == nil && len(saved.Checkpoints) > 0 {
		return auditReport{}, errors.New("a single checkpoint has no public key in it: give --config too, or the whole saved answer")
	}
	return v.report(key)
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
