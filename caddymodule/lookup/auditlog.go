package lookup

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

const (
	// publishEvery is how seldom a new checkpoint is shown: a live count would tell
	// editors the moment they are looked up.
	publishEvery = 24 * time.Hour
	// checkpointsDir is where nodes leave their published checkpoints, for each other to show
	// and for themselves to be verified against.
	checkpointsDir = "wikiveil/audit_checkpoints"
)

// auditLogs are in use over config reloads, by their file: a log has one writer.
var auditLogs = pool.New[*auditLog]("audit logs")

// auditLog is this node's log, which sees to its published checkpoint.
type auditLog struct {
	*audit.Log
	keys    *audit.Keys
	node    string
	file    string
	opened  os.FileInfo // of the file
	storage certmagic.Storage
	cache   publishedCache

	mu     sync.Mutex
	stored string // the published checkpoint that is in the storage
}

// unlimited is the retention of a log until a config is in use that has it: one that comes to nothing must not
// have old entries deleted.
const unlimited = math.MaxInt64

// openAuditLog returns this node's log.
func openAuditLog(ctx caddy.Context, held *pool.Held, a *edge.App) (*auditLog, error) {
	file, err := filepath.Abs(filepath.Join(a.FilesDir(), "audit.db"))
	if err != nil {
		return nil, err
	}
	storage := edge.StorageOf(ctx)
	log, err := auditLogs.Acquire(held, file, func(own *pool.Held) (*auditLog, error) {
		return newAuditLog(own, storage, file, a.Audit, a.Clock().Passed)
	})
	if err != nil {
		return nil, err
	}
	return log, log.fits(a.Audit, storage, file)
}

// fits tells why a config can't go on with the running log. Found out now it keeps the edge
// before running; at a restart nothing would.
func (l *auditLog) fits(config *edge.AuditConfig, storage certmagic.Storage, file string) error {
	if config != nil && config.Node != "" && l.node != config.Node {
		return fmt.Errorf("the running log is that of node %s, and a node can't be renamed: leave out audit { node }, or move %s away and restart", l.node, file)
	}
	if was, is := edge.StorageKey(l.storage), edge.StorageKey(storage); was != is {
		return fmt.Errorf("the running log has its keys in another storage: copy %s and %s there first, and restart", audit.KeysKey, checkpointsDir)
	}
	return nil
}

func newAuditLog(own *pool.Held, storage certmagic.Storage, file string, config *edge.AuditConfig, passed func() time.Time) (*auditLog, error) {
	l, auditConfig, err := prepareAuditLog(storage, file, config)
	if err != nil {
		return nil, err
	}
	auditConfig.Passed = passed
	l.Log, err = audit.Open(auditConfig)
	if err != nil {
		return nil, errors.Join(l.advise(err), auditConfig.Store.Close())
	}
	if l.opened, err = os.Stat(file); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	own.Add(l.Close)
	edge.WhileHeld(own, l.follow)
	return l, nil
}

// prepareAuditLog opens all that a log is opened with.
func prepareAuditLog(storage certmagic.Storage, file string, config *edge.AuditConfig) (*auditLog, audit.Config, error) {
	ctx, cancel := context.WithTimeout(context.Background(), edge.StorageTimeout)
	defer cancel()
	keys, err := audit.OpenKeys(ctx, storage)
	if err != nil {
		return nil, audit.Config{}, err
	}
	l := &auditLog{keys: keys, storage: storage, file: file}
	store, err := audit.OpenBolt(file)
	if err != nil {
		return nil, audit.Config{}, err
	}
	if l.node, err = nodeOf(file, store, config); err != nil {
		return nil, audit.Config{}, errors.Join(err, store.Close())
	}
	return l, audit.Config{
		Store: store, Keys: keys, Heads: audit.StorageHeads(storage, l.node), Node: l.node, Retention: unlimited,
		Report: func(err error) { edge.Log().Error("audit log", zap.Error(err)) },
	}, nil
}

// advise says what to do about a log that can't be gone on with.
func (l *auditLog) advise(err error) error {
	switch {
	case errors.Is(err, audit.ErrTampered), errors.Is(err, audit.ErrDamaged):
		err = fmt.Errorf("%w; it was left as it is: put the right file back. If that file is lost, or an older one was restored"+
			" on purpose, say so in the log: wikiveil audit accept-loss --config FILE --reason TEXT (a damaged file must be moved"+
			" away before). If another edge that shares the storage has the name %s, too, give each its own, or leave out audit { node }", err, l.node)
	case errors.Is(err, audit.ErrWrongKeys):
		err = fmt.Errorf("%w: restore %s in the storage from a backup", err, audit.KeysKey)
	}
	return fmt.Errorf("%s: %w", l.file, err)
}

// inPlace returns an error unless the file that the log writes is the one that a restart will find.
func (l *auditLog) inPlace() error {
	if now, err := os.Stat(l.file); err != nil || !os.SameFile(now, l.opened) {
		return &audit.TamperError{What: "another file is in its place, put there while the edge was running"}
	}
	return nil
}

func checkpointKey(node string) string { return path.Join(checkpointsDir, node+".checkpoint") }

// follow publishes without being asked, so that others always find a checkpoint to save.
func (l *auditLog) follow(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if _, err := l.publish(ctx); err != nil && ctx.Err() == nil {
			edge.Log().Error("audit log: publishing a checkpoint failed, trying again in an hour", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// publish returns the checkpoint to show, which it keeps in the storage too.
func (l *auditLog) publish(ctx context.Context) (audit.Checkpoint, error) {
	if err := l.inPlace(); err != nil { // whoever follows the log is not told that all is well
		return audit.Checkpoint{}, err
	}
	c, err := l.Publish(ctx, publishEvery)
	if err != nil {
		return audit.Checkpoint{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stored == c.Note {
		return c, nil
	}
	if err := l.storage.Store(ctx, checkpointKey(l.node), []byte(c.Note)); err != nil {
		return audit.Checkpoint{}, fmt.Errorf("storing the published checkpoint: %w", err)
	}
	l.stored = c.Note
	return c, nil
}

// allPublished returns the checkpoints of all nodes that share the storage. The newest of this node is
// always among them.
func (l *auditLog) allPublished(ctx context.Context) ([]audit.Checkpoint, error) {
	own, err := l.publish(ctx)
	if err != nil {
		return nil, err
	}
	all := []audit.Checkpoint{own}
	keys, err := l.storage.List(ctx, checkpointsDir, false)
	if err != nil {
		return nil, fmt.Errorf("listing published checkpoints: %w", err)
	}
	for _, key := range keys {
		data, err := l.storage.Load(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("loading a published checkpoint: %w", err)
		}
		c, err := audit.ParseCheckpoint(data)
		if err != nil {
			// The others' go on to be shown; who follows this node's sees that it's missing.
			edge.Log().Error("audit log: a node's published checkpoint is damaged", zap.String("key", key), zap.Error(err))
			continue
		}
		if c.Node != l.node {
			all = append(all, c)
		}
	}
	return all, nil
}
