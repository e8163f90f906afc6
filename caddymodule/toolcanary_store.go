package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/anonproxy/canary"
	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/noticeboard"
)

const (
	// canaryDir is where transcripts are in the storage.
	canaryDir = "wikiveil/transcripts"
	// keptTranscripts are how many are kept of a tool.
	keptTranscripts = 30
)

// shownTranscript is a transcript as it is shown.
type shownTranscript struct {
	*canary.Transcript
	signed []byte
	public []byte
}

// keptFile is the stored form: envelopes, the newest last.
type keptFile struct {
	Version     int               `json:"version"`
	Transcripts []json.RawMessage `json:"transcripts"`
}

func (b *canaryBook) fileKey(tool string) string { return path.Join(b.dir, tool+".json") }

// publish makes a transcript of a run and keeps it, unless another node has just published the same.
func (r *canaryRunner) publish(ctx context.Context, tool *noticeboard.Tool, declaration string, result *canary.Result) (_ *shownTranscript, err error) {
	ctx, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	b := r.book
	keys, err := b.keys(ctx)
	if err != nil {
		return nil, err
	}
	lock := "wikiveil_transcripts_" + path.Base(b.dir) + "_" + tool.Name
	if err := b.storage.Lock(ctx, lock); err != nil {
		return nil, fmt.Errorf("locking the transcripts: %w", err)
	}
	defer func() {
		if unlockErr := b.storage.Unlock(context.WithoutCancel(ctx), lock); unlockErr != nil && err == nil {
			err = fmt.Errorf("unlocking the transcripts: %w", unlockErr)
		}
	}()
	kept, last, err := b.load(ctx, keys, tool.Name)
	if err != nil {
		return nil, err
	}
	next := r.transcript(tool, declaration, result)
	if last != nil {
		if last.says(next) && time.Since(last.Time) < r.every/2 {
			return last, nil
		}
		next.Sequence = last.Sequence + 1
		if next.Previous, err = canary.Digest(last.signed); err != nil {
			return nil, err
		}
	}
	signed, err := canary.Sign(next, keys.Signer())
	if err != nil {
		return nil, err
	}
	kept.Transcripts = append(kept.Transcripts, signed)
	kept.Transcripts = kept.Transcripts[max(0, len(kept.Transcripts)-keptTranscripts):]
	data, err := json.Marshal(kept)
	if err != nil {
		return nil, err
	}
	if err := b.storage.Store(ctx, b.fileKey(tool.Name), data); err != nil {
		return nil, fmt.Errorf("storing the transcripts: %w", err)
	}
	return &shownTranscript{next, signed, keys.Public()}, nil
}

// says reports whether two transcripts say the same, whenever and by whom they were made.
func (s *shownTranscript) says(other *canary.Transcript) bool {
	content := func(t canary.Transcript) string {
		t.Sequence, t.Previous, t.Time, t.Edge = 0, "", time.Time{}, canary.Edge{}
		data, _ := json.Marshal(t) // texts, numbers and bytes
		return string(data)
	}
	return content(*s.Transcript) == content(*other)
}

// transcript is the first of a chain, for a run.
func (r *canaryRunner) transcript(tool *noticeboard.Tool, declaration string, result *canary.Result) *canary.Transcript {
	app := r.handler.app
	t := &canary.Transcript{
		Format: canary.Format, Site: app.Site, Prefix: r.handler.pageOptions().Prefix,
		Tool: tool.Name, Origin: tool.Origin, Declaration: declaration, Revision: tool.Revision,
		Sequence: 1, Time: time.Now().UTC().Truncate(time.Second), Every: int64(r.every / time.Second),
		Edge: canary.Edge{Version: edgeVersion(), Go: runtime.Version()},
	}
	if app.Audit != nil {
		t.Edge.Node = app.Audit.Node // a host's name is not for everybody, unless it is given
	}
	t.Put(result)
	return t
}

// load returns what is kept of a tool, and the last of it, if any. What is damaged, or signed with keys
// that have been replaced, is left behind: the chain begins anew, which everybody can see.
func (b *canaryBook) load(ctx context.Context, keys *audit.Keys, tool string) (keptFile, *shownTranscript, error) {
	fresh := keptFile{Version: 1}
	data, err := b.storage.Load(ctx, b.fileKey(tool))
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil, nil
	}
	if err != nil {
		return fresh, nil, fmt.Errorf("loading the transcripts: %w", err)
	}
	var kept keptFile
	if err = json.Unmarshal(data, &kept); err == nil && (kept.Version != 1 || len(kept.Transcripts) == 0) {
		err = canary.ErrForm
	}
	if err == nil {
		signed := slices.Clone([]byte(kept.Transcripts[len(kept.Transcripts)-1]))
		var last *canary.Transcript
		if last, err = canary.Open(signed, keys.Public()); err == nil {
			return kept, &shownTranscript{last, signed, keys.Public()}, nil
		}
	}
	pooledLog().Error("the kept transcripts can't be used; their numbers begin at 1 again", zap.String("tool", tool), zap.Error(err))
	return fresh, nil, nil
}

// kept returns all envelopes that are kept of a tool.
func (b *canaryBook) kept(ctx context.Context, tool string) ([]json.RawMessage, error) {
	keys, err := b.keys(ctx)
	if err != nil {
		return nil, err
	}
	kept, _, err := b.load(ctx, keys, tool)
	return kept.Transcripts, err
}

// edgeVersion names this build.
func edgeVersion() string {
	const module = "github.com/wikiveil/wikiveil"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := "unknown"
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == module && m.Version != "" {
			version = m.Version
		}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && info.Main.Path == module {
			version += " " + s.Value
		}
	}
	return version
}
