package mask

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/certmagic"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/internal/trustedclock"
	"github.com/wikiveil/wikiveil/masking"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "mask",
		Usage: "[--secret-file <path>] [--config <path> [--adapter <name>]] [--site <label>] [--v6-prefix <bits>] [--network <name>] [--session <hex>] [<address|CIDR>...]",
		Short: "Prints the masks of addresses, ranges, named networks and sessions",
		Long: `
Prints a line "input<TAB>mask" for each argument: an address gives its client's mask,
a CIDR range the range's. Without arguments (and without --network and --session) they
are read from standard input, one a line.

Without --secret-file the edge's own key ring is used, read from Caddy's default
storage, or from what --config says: its storage, secrets, site label and prefix.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Flags().String("secret-file", "", "A file with the secret in hex (at least 32 bytes)")
			cmd.Flags().StringP("config", "c", "", "The edge's config, to find its key ring and its defaults")
			cmd.Flags().StringP("adapter", "a", "", "The adapter to read the config with")
			cmd.Flags().String("site", "", "The site label")
			cmd.Flags().Int("v6-prefix", 0, "How many bits of an IPv6 address make its mask: 48, 56, 64 or 128")
			cmd.Flags().StringArray("network", nil, "A named network to print the mask of (may be repeated)")
			cmd.Flags().StringArray("session", nil, "A session id, in hex, to print the mask of (may be repeated)")
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				cmd.SilenceUsage = true
				return runMask(cmd, args)
			}
		},
	})
}

func runMask(cmd *cobra.Command, args []string) error {
	masker, err := commandMasker(cmd)
	if err != nil {
		return err
	}
	networks, _ := cmd.Flags().GetStringArray("network")
	sessions, _ := cmd.Flags().GetStringArray("session")
	out := cmd.OutOrStdout()
	err = errors.Join(
		printMasks(out, networks, masker.Network),
		printMasks(out, sessions, func(text string) (netip.Addr, error) {
			id, err := hex.DecodeString(text)
			if err != nil {
				return netip.Addr{}, errors.New("session is not in hex")
			}
			return masker.Session(id)
		}),
		printMasks(out, args, masker.parse),
	)
	if err == nil && len(args)+len(networks)+len(sessions) == 0 {
		err = masker.copyLines(out, cmd.InOrStdin())
	}
	return err
}

// printMasks prints the masks of all inputs up to one that has none.
func printMasks(out io.Writer, inputs []string, mask func(string) (netip.Addr, error)) error {
	var lines []byte
	var err error
	for _, input := range inputs {
		if lines, err = appendMask(lines, input, mask); err != nil {
			break
		}
	}
	_, errWrite := out.Write(lines)
	return errors.Join(err, errWrite)
}

// appendMask appends the line of an input.
func appendMask(lines []byte, input string, mask func(string) (netip.Addr, error)) ([]byte, error) {
	if !edge.IsPrintable(input) {
		return lines, fmt.Errorf("%q has characters that can't be printed", input)
	}
	m, err := mask(input)
	if err != nil {
		return lines, fmt.Errorf("%q: %w", input, err)
	}
	lines = append(append(lines, input...), '\t')
	return append(m.AppendTo(lines), '\n'), nil
}

// maxSecretFile is the most that a file with a secret has, in bytes.
const maxSecretFile = 4 << 10

// commandMasker makes the masker that the flags ask for.
func commandMasker(cmd *cobra.Command) (lineMasker, error) {
	flags := cmd.Flags()
	secretFile, _ := flags.GetString("secret-file")
	config, _ := flags.GetString("config")
	adapter, _ := flags.GetString("adapter")
	if secretFile != "" && config != "" {
		return lineMasker{}, errors.New("--secret-file and --config both say which key is meant; give one")
	}
	app, storage, err := edge.ReadConfig(cmd.Context(), config, adapter)
	if err != nil {
		return lineMasker{}, err
	}
	if flags.Changed("site") {
		app.Site, _ = flags.GetString("site")
	}
	if flags.Changed("v6-prefix") {
		app.V6Prefix, _ = flags.GetInt("v6-prefix")
	}
	if secretFile != "" {
		data, err := edge.ReadFile(secretFile, maxSecretFile)
		if err != nil {
			return lineMasker{}, fmt.Errorf("reading the secret: %w", err)
		}
		secret, err := masking.ParseSecret(string(data))
		if err != nil {
			return lineMasker{}, fmt.Errorf("reading %s: %w", secretFile, err)
		}
		masker, err := masking.NewMasker(secret, app.Site, app.V6Prefix)
		return lineMasker{masker}, err
	}
	epoch, err := commandEpoch(cmd.Context(), app, storage)
	if err != nil {
		return lineMasker{}, err
	}
	masker, err := epoch.Masker(app.Site, app.V6Prefix)
	return lineMasker{masker}, err
}

// commandEpoch reads the epoch in use out of the edge's key ring. It never makes one: its masks would mean nothing.
func commandEpoch(ctx context.Context, app *edge.App, storage certmagic.Storage) (masking.Epoch, error) {
	secrets, err := app.ResolveSecrets()
	if err != nil {
		return masking.Epoch{}, err
	}
	if len(secrets) > 0 {
		ring, err := masking.ConfiguredRing(secrets...)
		if err != nil {
			return masking.Epoch{}, err
		}
		return ring.Epochs()[0], nil
	}
	clock, err := trustedclock.Open(ctx, storage)
	if err != nil {
		return masking.Epoch{}, err
	}
	ring, err := masking.NewKeeper(masking.KeeperConfig{Storage: storage, Clock: clock}).Load(ctx)
	if errors.Is(err, masking.ErrNoRing) {
		return masking.Epoch{}, fmt.Errorf("there is no key ring in the storage %v: the edge makes it at its first start; if its config sets the storage, give it with --config", storage)
	}
	if err != nil {
		return masking.Epoch{}, err
	}
	return ring.Active(clock.Now(), 0)[0], nil
}
