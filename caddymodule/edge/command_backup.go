package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/certmagic"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/internal/backup"
	"github.com/wikiveil/wikiveil/internal/durable"
	"github.com/wikiveil/wikiveil/internal/openbolt"
	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/masking"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "backup",
		Usage: "--output <path> [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Backs up the edge's files and what it keeps in Caddy's storage, while it runs or not",
		Long: `
Writes one tar file, which "wikiveil restore" reads: the files of data_dir and all keys of Wikiveil's in
Caddy's storage. A running edge hands its files over through the admin API, each as its last commit left
it; without one they are read under their locks.

The file holds the secrets that masks are made with. Whoever has it and the wiki's database has the
addresses: keep it apart from that, and from those who may not have them.`,
		CobraFunc: func(cmd *cobra.Command) {
			admin.AddFlags(cmd)
			cmd.Flags().StringP("output", "o", "", "The file to write, which must not be there yet")
			cmd.Args = cobra.NoArgs
			cmd.RunE = runBackup
		},
	})
}

func runBackup(cmd *cobra.Command, _ []string) error {
	config, _ := cmd.Flags().GetString("config")
	adapter, _ := cmd.Flags().GetString("adapter")
	output, _ := cmd.Flags().GetString("output")
	if output == "" {
		return errors.New("give the file to write by --output")
	}
	app, storage, err := ReadConfig(cmd.Context(), config, adapter)
	if err != nil {
		return err
	}
	var manifest backup.Manifest
	err = durable.Create(output, func(to io.Writer) error {
		archive := backup.NewWriter(to)
		if err := backUp(cmd, app, storage, archive); err != nil {
			return err
		}
		manifest = archive.Manifest()
		return archive.Close()
	})
	if err != nil {
		return err
	}
	return reportBackup(cmd.ErrOrStderr(), output, app, manifest)
}

// backUp adds all to an archive, in the order that [backup.IsEarlyKey] asks for.
func backUp(cmd *cobra.Command, app *App, storage certmagic.Storage, to *backup.Writer) error {
	ctx := cmd.Context()
	if err := addKeys(ctx, app, storage, to, true); err != nil {
		return err
	}
	if err := addData(cmd, app, to); err != nil {
		return err
	}
	if err := addKeys(ctx, app, storage, to, false); err != nil {
		return err
	}
	has := func(name string) bool {
		return slices.ContainsFunc(to.Manifest().Files, func(f backup.File) bool { return f.Name == name })
	}
	switch files := to.Manifest().Files; {
	case len(files) == 0:
		return errors.New("there is nothing to back up: is it the right config, and are you the edge's user?")
	case has("data/audit.db") && !has("storage/"+audit.KeysKey):
		return fmt.Errorf("the storage of this config lacks %s, which the audit log is read with: is it the right config?", audit.KeysKey)
	case has("data/keyring-known.json") && !has("storage/"+masking.RingKey):
		return fmt.Errorf("the storage of this config lacks %s, which the edge has had: is it the right config?", masking.RingKey)
	}
	return nil
}

// addKeys adds the values of the storage that are to be read before the data, or the others.
func addKeys(ctx context.Context, app *App, storage certmagic.Storage, to *backup.Writer, early bool) error {
	keys, err := storedKeys(ctx, app, storage)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if backup.IsEarlyKey(key) != early {
			continue
		}
		value, err := storage.Load(ctx, key)
		if errors.Is(err, fs.ErrNotExist) { // deleted meanwhile
			continue
		}
		if err != nil {
			return fmt.Errorf("reading %s in the storage: %w", key, err)
		}
		if err := to.AddValue(key, value); err != nil {
			return err
		}
	}
	return nil
}

// storedKeys lists the keys that are Wikiveil's in a storage.
func storedKeys(ctx context.Context, app *App, storage certmagic.Storage) ([]string, error) {
	listed, err := storage.List(ctx, "wikiveil", true)
	for range 5 { // a storage of files fails where one vanishes while it's listed
		if err == nil || !errors.Is(err, fs.ErrNotExist) || !storage.Exists(ctx, "wikiveil") {
			break
		}
		listed, err = storage.List(ctx, "wikiveil", true)
	}
	if errors.Is(err, fs.ErrNotExist) && !storage.Exists(ctx, "wikiveil") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the storage: %w", err)
	}
	var keys []string
	for _, key := range listed {
		if !backup.IsKey(key) || app.keepsFilesAt(storage, key) {
			continue
		}
		info, err := storage.Stat(ctx, key)
		if err == nil && info.IsTerminal {
			keys = append(keys, key)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("looking at %s in the storage: %w", key, err)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// keepsFilesAt reports whether a key of a storage of files is where the config has files that can be fetched anew.
func (a *App) keepsFilesAt(storage certmagic.Storage, key string) bool {
	files, ok := storage.(*certmagic.FileStorage)
	if !ok {
		return false
	}
	dirs := []string{filepath.Join(a.FilesDir(), "mirrors")}
	if a.MirrorDir != "" {
		dirs = append(dirs, a.MirrorDir)
	}
	for _, dir := range dirs {
		dir, _ = Expand(dir)
		dir, err := filepath.Abs(dir)
		if err != nil {
			continue
		}
		file, err := filepath.Abs(files.Filename(key))
		if err != nil {
			continue
		}
		if below, err := filepath.Rel(dir, file); err == nil && filepath.IsLocal(below) {
			return true
		}
	}
	return false
}

// addData adds the files of the data_dir, through the running edge if there is one.
func addData(cmd *cobra.Command, app *App, to *backup.Writer) error {
	place, err := app.backupPlace()
	if err != nil {
		return err
	}
	answer, err := admin.Open(caddycmd.Flags{FlagSet: cmd.Flags()}, http.MethodPost, adminBackup, place)
	if errors.Is(err, admin.ErrNoAPI) {
		unreached := err
		if err = backup.WriteData(place.DataDir, to); errors.Is(err, openbolt.ErrInUse) {
			return fmt.Errorf("%w; and the edge that has it can't be asked: %w", err, unreached)
		}
		return err
	}
	if err != nil {
		return err
	}
	defer answer.Close()
	manifest, err := backup.Read(answer, func(name string, size int64, content io.Reader) error {
		if !strings.HasPrefix(name, "data/") {
			return errors.New("the edge sends what isn't asked for")
		}
		return to.Add(name, size, content, "")
	})
	if err != nil {
		return fmt.Errorf("reading the edge's files: %w", err)
	}
	to.Adopt(manifest)
	return nil
}

// reportBackup says what is in a backup, and what isn't.
func reportBackup(to io.Writer, name string, app *App, m backup.Manifest) error {
	var size int64
	counts := make(map[string]int)
	var damaged []string
	for _, f := range m.Files {
		size += f.Size
		where, _, _ := strings.Cut(f.Name, "/")
		counts[where]++
		if f.Damaged != "" {
			damaged = append(damaged, fmt.Sprintf("Warning: %s is damaged, and was taken as it is: %s\n", f.Name, f.Damaged))
		}
	}
	fmt.Fprintf(to, "%s: %d files of data_dir and %d values of the storage, %d bytes.\n", name, counts["data"], counts["storage"], size)
	if app.Sightings != nil && app.Sightings.Redis != nil {
		fmt.Fprintln(to, "Not in it: what is in Redis (records, quotas, reports).")
	}
	if len(app.Secrets) > 0 {
		fmt.Fprintln(to, "Not in it: the secrets that the config names.")
	}
	_, err := fmt.Fprint(to, strings.Join(damaged, ""), "It holds secrets: keep it apart from the wiki's database and its backups.\n")
	return err
}
