package edge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/internal/metrics"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// publishTimeout bounds how long a start waits for the storage to take note of declarations.
// Those that are new are pending until it has.
const publishTimeout = 10 * time.Second

// boardStates holds the states of noticeboards in use, over config reloads: one may hold
// stops of tools that the storage hasn't taken yet.
var boardStates = pool.New[*noticeboard.State]("noticeboards")

// Noticeboard is that of a config.
type Noticeboard struct {
	*noticeboard.Live
	State *noticeboard.State

	logger        *zap.Logger
	forget        []func(tool string)
	stopFollowing func() // nil: not started
}

// openBoard reads the noticeboard. Nothing is written: the config may only be validated.
func openBoard(ctx caddy.Context, a *App) (*Noticeboard, error) {
	file := caddy.NewReplacer().ReplaceAll(a.ToolsFile, "")
	if a.ToolsFile != "" && file == "" {
		return nil, fmt.Errorf("tools_file %s is empty", a.ToolsFile)
	}
	state, err := FromStorage(ctx, &a.held, boardStates, "noticeboard", noticeboard.OpenState)
	if err != nil {
		return nil, fmt.Errorf("opening the noticeboard: %w", err)
	}
	b := &Noticeboard{State: state, logger: a.logger}
	b.Live, err = noticeboard.NewLive(noticeboard.LiveConfig{Tools: a.Tools, File: file, State: state, OnStops: func(tool string) {
		for _, forget := range b.forget {
			forget(tool)
		}
	}})
	if err != nil {
		return nil, err
	}
	for _, left := range b.Status().LeftOut {
		b.reportLeftOut(left)
	}
	return b, nil
}

// OnDisabled has a function called with each tool that is disabled or of which something is. While provisioning only.
func (b *Noticeboard) OnDisabled(forget func(tool string)) { b.forget = append(b.forget, forget) }

func (b *Noticeboard) reportLeftOut(err error) {
	b.logger.Warn("an entry of the file of tools is left out; what it said last goes on to hold, if it said anything", zap.Error(err))
}

// start puts the noticeboard into use.
func (b *Noticeboard) start() {
	publishing, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	if err := b.Publish(publishing); err != nil {
		// Tools that were known before work; following tries again.
		b.report(err)
	}
	b.stopFollowing = InBackground(func(ctx context.Context) { b.Follow(ctx, 0, b.report) })
}

// stop ends what start began, if it did.
func (b *Noticeboard) stop() {
	if b == nil || b.stopFollowing == nil {
		return
	}
	b.stopFollowing()
	b.stopFollowing = nil
	b.Board() // has what was stopped this moment forgotten
}

func (b *Noticeboard) report(err error) {
	if left, ok := errors.AsType[*noticeboard.LeftOutError](err); ok {
		b.reportLeftOut(left)
		return
	}
	if errors.Is(err, b.Status().FileErr) {
		b.logger.Error("the file of tools can't be used; what it said last goes on to hold", zap.Error(err))
		return
	}
	b.logger.Error("the noticeboard's shared state can't be read or stored, trying again; new declarations wait", zap.Error(err))
}

var (
	toolsFileBroken  = metrics.NewGauge("tools_file_broken", "1 where the file of tools is broken or missing and the last good one is in use.")
	toolsLeftOut     = metrics.NewGauge("tools_file_entries_left_out", "Entries of the file of tools that are left out, as they are wrong or repeat a name.")
	toolsStateBroken = metrics.NewGauge("tools_state_broken", "1 where the noticeboard's shared state can't be read or stored.")
)

// boardReadings are a noticeboard's.
func boardReadings(board *Noticeboard) metrics.Readings {
	return metrics.ReadingsOf(func(tell metrics.Telling) {
		status := board.Status()
		tell(toolsFileBroken, metrics.Truth(status.FileErr != nil))
		tell(toolsLeftOut, float64(len(status.LeftOut)))
		tell(toolsStateBroken, metrics.Truth(status.StateErr != nil))
	}, toolsFileBroken, toolsLeftOut, toolsStateBroken)
}
