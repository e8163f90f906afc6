package edge

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddyserver/certmagic"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/internal/text"
	"github.com/wikiveil/wikiveil/internal/trustedclock"
	"github.com/wikiveil/wikiveil/masking"
)

// maxSecretFile is the most that a file with a secret has, in bytes.
const maxSecretFile = 4 << 10

// MaskerFlags adds the flags that say whose masks a command makes; [CommandMasker] reads them.
func MaskerFlags(cmd *cobra.Command) {
	cmd.Flags().String("secret-file", "", "A file with the secret in hex (at least 32 bytes)")
	cmd.Flags().StringP("config", "c", admin.InstalledConfig(), "The edge's config, to find its key ring and its defaults")
	cmd.Flags().StringP("adapter", "a", "", "The adapter to read the config with")
	cmd.Flags().String("site", "", "The site label")
	cmd.Flags().Int("v6-prefix", 0, "How many bits of an IPv6 address make its mask: 48, 56, 64 or 128")
	cmd.Flags().String("epoch", "", "The id of the key ring's epoch to make masks with; default: the one in use")
}

// CommandMasker makes the masker that a command's flags ask for, and returns the app whose defaults it has. It makes no
// key ring: its masks would mean nothing.
func CommandMasker(cmd *cobra.Command) (*masking.Masker, *App, error) {
	flags := cmd.Flags()
	secretFile, _ := flags.GetString("secret-file")
	config, _ := flags.GetString("config")
	adapter, _ := flags.GetString("adapter")
	id, _ := flags.GetString("epoch")
	if secretFile != "" && !flags.Changed("config") {
		config = "" // an installed one isn't meant
	}
	if secretFile != "" && (config != "" || id != "") {
		return nil, nil, errors.New("--secret-file says which key is meant, and so does --config or --epoch; give one")
	}
	app, storage, err := ReadConfig(cmd.Context(), config, adapter)
	if err != nil {
		return nil, nil, err
	}
	if flags.Changed("site") {
		app.Site, _ = flags.GetString("site")
	}
	if flags.Changed("v6-prefix") {
		app.V6Prefix, _ = flags.GetInt("v6-prefix")
	}
	if secretFile != "" {
		data, err := text.ReadFile(secretFile, maxSecretFile)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the secret: %w", err)
		}
		secret, err := masking.ParseSecret(string(data))
		if err != nil {
			return nil, nil, fmt.Errorf("reading %s: %w", secretFile, err)
		}
		masker, err := masking.NewMasker(secret, app.Site, app.V6Prefix)
		return masker, app, err
	}
	epoch, err := commandEpoch(cmd.Context(), app, storage, id)
	if err != nil {
		return nil, nil, err
	}
	masker, err := epoch.Masker(app.Site, app.V6Prefix)
	return masker, app, err
}

// commandEpoch reads an epoch out of the edge's key ring, the one in use if its id is empty.
func commandEpoch(ctx context.Context, app *App, storage certmagic.Storage, id string) (masking.Epoch, error) {
	ring, current, err := CommandRing(ctx, app, storage)
	if err != nil || id == "" {
		return current, err
	}
	for _, epoch := range ring.Epochs() {
		if epoch.ID() == id {
			return epoch, nil
		}
	}
	return masking.Epoch{}, fmt.Errorf("the key ring has no epoch %q: `wikiveil keys list` prints the ids", id)
}

// CommandRing reads the edge's key ring, and tells which epoch is in use.
func CommandRing(ctx context.Context, app *App, storage certmagic.Storage) (*masking.Ring, masking.Epoch, error) {
	secrets, err := app.ResolveSecrets()
	if err != nil {
		return nil, masking.Epoch{}, err
	}
	if len(secrets) > 0 {
		ring, err := masking.ConfiguredRing(secrets...)
		if err != nil {
			return nil, masking.Epoch{}, err
		}
		return ring, ring.Epochs()[0], nil
	}
	clock, err := trustedclock.Open(ctx, storage)
	if err != nil {
		return nil, masking.Epoch{}, err
	}
	ring, err := masking.NewKeeper(masking.KeeperConfig{Storage: storage, Clock: clock}).Load(ctx)
	if errors.Is(err, masking.ErrNoRing) {
		return nil, masking.Epoch{}, fmt.Errorf("there is no key ring in the storage %v: the edge makes it at its first start; if its config sets the storage, give it with --config", storage)
	}
	if err != nil {
		return nil, masking.Epoch{}, err
	}
	return ring, ring.Active(clock.Now(), 0)[0], nil
}
