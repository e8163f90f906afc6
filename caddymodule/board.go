package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// publishTimeout bounds how long a start waits for the storage to take note of declarations.
// Those that are new are pending until it has.
const publishTimeout = 10 * time.Second

// boardStates holds the states of noticeboards in use, over config reloads: one may hold
// stops of tools that the storage hasn't taken yet.
var boardStates = pool.New[*noticeboard.State]("noticeboards")

// openBoardState returns the storage's state.
func openBoardState(ctx caddy.Context, held *pool.Held) (*noticeboard.State, error) {
	storage := storageOf(ctx)
	return boardStates.Acquire(held, storageKey(storage), func(*pool.Held) (*noticeboard.State, error) {
		opening, cancel := context.WithTimeout(context.Background(), storageTimeout)
		defer cancel()
		return noticeboard.OpenState(opening, storage)
	})
}

// openBoard reads the noticeboard. Nothing is written: the config may only be validated.
func (t *tools) openBoard(ctx caddy.Context, a *App) error {
	file := caddy.NewReplacer().ReplaceAll(a.ToolsFile, "")
	if a.ToolsFile != "" && file == "" {
		return fmt.Errorf("tools_file %s is empty", a.ToolsFile)
	}
	state, err := openBoardState(ctx, &a.held)
	if err != nil {
		return fmt.Errorf("opening the noticeboard: %w", err)
	}
	t.state = state
	t.live, err = noticeboard.NewLive(noticeboard.LiveConfig{Tools: a.Tools, File: file, State: state, OnKills: func(tool string) {
		if t.live != nil { // nil: it is being made, and the config may only be validated
			t.forget(tool)
		}
	}})
	if err != nil {
		return err
	}
	for _, left := range t.live.Status().LeftOut {
		t.reportLeftOut(left)
	}
	return nil
}

func (t *tools) reportLeftOut(err error) {
	t.logger.Warn("an entry of the file of tools is left out; what it said last goes on to hold, if it said anything", zap.Error(err))
}

// startBoard puts the noticeboard into use.
func (t *tools) startBoard() {
	publishing, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	if err := t.live.Publish(publishing); err != nil {
		// Tools that were known before work; following tries again.
		t.reportBoard(err)
	}
	t.stopFollowing = inBackground(func(ctx context.Context) { t.live.Follow(ctx, 0, t.reportBoard) })
}

// stopBoard ends what startBoard began, if it did.
func (t *tools) stopBoard() {
	if t.stopFollowing != nil {
		t.stopFollowing()
		t.stopFollowing = nil
		t.live.Board() // has what was stopped this moment forgotten
	}
}

func (t *tools) reportBoard(err error) {
	if left, ok := errors.AsType[*noticeboard.LeftOutError](err); ok {
		t.reportLeftOut(left)
		return
	}
	if errors.Is(err, t.live.Status().FileErr) {
		t.logger.Error("the file of tools can't be used; what it said last goes on to hold", zap.Error(err))
		return
	}
	t.logger.Error("the noticeboard's shared state can't be read or stored, trying again; new declarations wait", zap.Error(err))
}

var (
	toolsFileBroken  = gauge("tools_file_broken", "1 where the file of tools is broken or missing and the last good one is in use.")
	toolsLeftOut     = gauge("tools_file_entries_left_out", "Entries of the file of tools that are left out, as they are wrong or repeat a name.")
	toolsStateBroken = gauge("tools_state_broken", "1 where the noticeboard's shared state can't be read or stored.")
)

// boardReadings are a noticeboard's.
func boardReadings(live *noticeboard.Live) readings {
	return readings{[]reading{toolsFileBroken, toolsLeftOut, toolsStateBroken}, func(tell telling) {
		status := live.Status()
		tell(toolsFileBroken, truth(status.FileErr != nil))
		tell(toolsLeftOut, float64(len(status.LeftOut)))
		tell(toolsStateBroken, truth(status.StateErr != nil))
	}}
}
