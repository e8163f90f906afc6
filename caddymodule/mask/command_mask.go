package mask

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/internal/text"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "mask",
		Usage: "[--secret-file <path>] [--config <path> [--adapter <name>]] [--epoch <id>] [--site <label>] [--v6-prefix <bits>] [--network <name>] [--session <hex>] [<address|CIDR>...]",
		Short: "Prints the masks of addresses, ranges, named networks and sessions",
		Long: `
Prints a line "input<TAB>mask" for each argument: an address gives its client's mask,
a CIDR range the range's. Without arguments (and without --network and --session) they
are read from standard input, one a line.

Without --secret-file the edge's own key ring is used, read from Caddy's default
storage, or from what --config says: its storage, secrets, site label and prefix.`,
		CobraFunc: func(cmd *cobra.Command) {
			edge.MaskerFlags(cmd)
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
	m, app, err := edge.CommandMasker(cmd)
	if err != nil {
		return err
	}
	masker := lineMasker{m, app.Salt != nil}
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
	if !text.IsVisible(input) {
		return lines, fmt.Errorf("%q has characters that can't be printed", input)
	}
	m, err := mask(input)
	if err != nil {
		return lines, fmt.Errorf("%q: %w", input, err)
	}
	lines = append(append(lines, input...), '\t')
	return append(m.AppendTo(lines), '\n'), nil
}
