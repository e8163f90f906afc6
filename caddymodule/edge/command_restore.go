package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/certmagic"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/internal/backup"
	"github.com/wikiveil/wikiveil/internal/openbolt"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "restore",
		Usage: "<backup> [--force] [--data-only] [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Restores a backup into the data_dir and the storage of an edge that isn't running",
		Long: `
Puts what "wikiveil backup" wrote where the config has its data_dir and its storage. The file is
verified first, as a whole. Stop all edges that share the storage.

Where there are such files or keys already, it refuses; with --force it moves them aside and deletes
nothing. Run it as the edge's user.

With --data-only it restores data_dir alone, as where one edge of several lost its disk, and the storage stays
as it is.

A backup brings back secrets that were destroyed since it was made, and blocks that were removed.`,
		CobraFunc: func(cmd *cobra.Command) {
			admin.AddFlags(cmd)
			cmd.Flags().Bool("force", false, "Moves aside what is there")
			cmd.Flags().Bool("data-only", false, "Restores data_dir alone and leaves the storage as it is")
			cmd.Args = cobra.ExactArgs(1)
			cmd.RunE = runRestore
		},
	})
}

func runRestore(cmd *cobra.Command, args []string) error {
	name := args[0]
	config, _ := cmd.Flags().GetString("config")
	adapter, _ := cmd.Flags().GetString("adapter")
	force, _ := cmd.Flags().GetBool("force")
	dataOnly, _ := cmd.Flags().GetBool("data-only")
	app, storage, err := ReadConfig(cmd.Context(), config, adapter)
	if err != nil {
		return err
	}
	place, err := app.backupPlace()
	if err != nil {
		return err
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	manifest, err := backup.Verify(file)
	if err != nil {
		return fmt.Errorf("%s: %w; nothing was restored", name, err)
	}
	if err := checkNotRunning(cmd, place); err != nil {
		return err
	}
	var keys []string
	if !dataOnly {
		if keys, err = storedKeys(cmd.Context(), app, storage); err != nil {
			return err
		}
	}
	aside, err := makeRoom(cmd.Context(), storage, keys, place.DataDir, force)
	if err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	staged, err := backup.Stage(file, place.DataDir)
	if err != nil {
		return fmt.Errorf("%s: %w; nothing was restored", name, err)
	}
	defer staged.Close()
	if dataOnly {
		clear(staged.Values)
	}
	if aside != nil {
		if err := aside(); err != nil {
			return fmt.Errorf("moving aside what is there: %w", err)
		}
	}
	if err := putBack(cmd.Context(), storage, staged); err != nil {
		return fmt.Errorf("%w; not all is restored: do it again with --force", err)
	}
	next := afterRestore
	if dataOnly {
		next = afterData
	}
	_, err = fmt.Fprintf(cmd.ErrOrStderr(), "Restored as of %s: the files in %s, and %d values of the storage.\n%s",
		manifest.Made.Format(time.RFC3339), place.DataDir, len(staged.Values), next)
	return err
}

const (
	afterRestore = `Next: start the edge and look at "wikiveil keys list": a secret that was destroyed since then is back.
`
	afterData = `Next: start the edge. Where it says that its audit log is an older copy, say so in the log:
wikiveil audit accept-loss --config FILE --reason TEXT
`
)

// checkNotRunning refuses where an edge has the data_dir.
func checkNotRunning(cmd *cobra.Command, place backupPlace) error {
	var running backupPlace
	err := admin.Call(caddycmd.Flags{FlagSet: cmd.Flags()}, http.MethodGet, adminBackup, nil, &running)
	if err == nil && running == place {
		return fmt.Errorf("an edge is running with the data_dir %s: stop it first", place.DataDir)
	}
	// Another edge's, or none that responds; what has the files open has their locks.
	names, err := backup.DataFiles(place.DataDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if ext := filepath.Ext(name); ext != ".db" && ext != ".sightings" {
			continue
		}
		if err := openbolt.CheckFree(filepath.Join(place.DataDir, name)); err != nil {
			return fmt.Errorf("%w: stop the edge first", err)
		}
	}
	return nil
}

// makeRoom returns what moves away all that is in the way, nil if nothing is. Without force it refuses then.
func makeRoom(ctx context.Context, storage certmagic.Storage, keys []string, dir string, force bool) (aside func() error, err error) {
	names, err := backup.DataFiles(dir)
	if err != nil {
		return nil, err
	}
	if len(names)+len(keys) == 0 {
		return nil, nil
	}
	if !force {
		return nil, fmt.Errorf("%d files of an edge are in %s and %d values of one in the storage (%s, …): give another place in the config, or --force to move them aside",
			len(names), dir, len(keys), append(names, keys...)[0])
	}
	suffix := backup.AsidePrefix + time.Now().UTC().Format("20060102T150405.000Z")
	return func() error {
		for _, key := range keys {
			value, err := storage.Load(ctx, key)
			if err != nil {
				return fmt.Errorf("%s in the storage: %w", key, err)
			}
			if err := storage.Store(ctx, "wikiveil-"+suffix+strings.TrimPrefix(key, "wikiveil"), value); err != nil {
				return fmt.Errorf("%s in the storage: %w", key, err)
			}
		}
		for _, key := range keys { // all of them are kept now
			if err := storage.Delete(ctx, key); err != nil {
				return fmt.Errorf("%s in the storage: %w", key, err)
			}
		}
		return backup.MoveAside(dir, suffix)
	}, nil
}

// putBack puts all into its place. The files come first: an edge that finds them without the storage's keys refuses to start.
func putBack(ctx context.Context, storage certmagic.Storage, staged *backup.Staged) error {
	err := staged.Place()
	for _, key := range slices.Sorted(maps.Keys(staged.Values)) {
		if err != nil {
			return err
		}
		if err = storage.Store(ctx, key, staged.Values[key]); err != nil {
			err = fmt.Errorf("%s in the storage: %w", key, err)
		}
	}
	return errors.Join(err, ctx.Err())
}
