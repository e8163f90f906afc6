package edge

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "keys",
		Usage: "list|rotate [--force]|keep <id>|remove <id> [--now] [--address <interface>] [--config <path> [--adapter <name>]] | recipient new --output <path>",
		Short: "Lists or rotates the key ring that masks are made with; makes keys that addresses are sealed to",
		Long: `
list, rotate, keep and remove ask the running server, through its admin API.

list prints each epoch's id, start and state, never its secret. rotate plans a new epoch a few
seconds ahead, so that all edges that share the storage change over together: clients
get new masks, and blocks made under the epochs that are kept go on to hold.

keep has an epoch kept, however old it is, and takes back that it is to be destroyed. remove takes an old
epoch out of use and has its secret destroyed after the grace that the config says; with
--now at once and for good, as for a secret that has leaked.

recipient new makes, without any server, the pair of keys of a person who may reveal addresses.`,
		CobraFunc: func(cmd *cobra.Command) {
			admin.RefuseUnknown(cmd)
			rotate := admin.Command("rotate", "Plans a new epoch a few seconds ahead", cobra.ExactArgs(0), func(fl caddycmd.Flags) error {
				return callKeys(fl, http.MethodPost, adminRotate, rotateRequest{Force: fl.Bool("force")})
			})
			rotate.Flags().Bool("force", false, "Rotates even within a minute of the last rotation")
			remove := admin.Command("remove <id>", "Takes an old epoch out of use, to be destroyed after a grace", cobra.ExactArgs(1), func(fl caddycmd.Flags) error {
				return callKeys(fl, http.MethodPost, adminRemoveKey, keyRequest{ID: fl.Arg(0), Now: fl.Bool("now")})
			})
			remove.Flags().Bool("now", false, "Destroys the secret at once and for good")
			cmd.AddCommand(
				admin.Command("list", "Prints the epochs' ids, times and states, never their secrets", cobra.ExactArgs(0), func(fl caddycmd.Flags) error {
					return callKeys(fl, http.MethodGet, adminKeys, nil)
				}),
				rotate,
				admin.Command("keep <id>", "Keeps an epoch that is old, or is to be destroyed", cobra.ExactArgs(1), func(fl caddycmd.Flags) error {
					return callKeys(fl, http.MethodPost, adminKeepKey, keyRequest{ID: fl.Arg(0)})
				}),
				remove, recipientCommand(),
			)
		},
	})
}

func callKeys(fl caddycmd.Flags, method, path string, body any) error {
	var list keyList
	if err := admin.Call(fl, method, path, body, &list); err != nil {
		return err
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "EPOCH\tSTART\tSTATE")
	for _, e := range list.Epochs {
		start := "(configured)"
		if e.Start != nil {
			start = e.Start.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\n", e.ID, start, e.describe())
	}
	return out.Flush()
}

func (e keyEpoch) describe() string {
	words := []string{e.State}
	if e.Held {
		words = append(words, "kept by command")
	}
	if e.Ahead {
		words = append(words, "made by a wrong clock")
	}
	if e.Destroyed != nil {
		words = append(words, "will be destroyed at "+e.Destroyed.UTC().Format(time.RFC3339))
	}
	return strings.Join(words, ", ")
}
