package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "keys",
		Usage: "list|rotate [--address <interface>] [--config <path> [--adapter <name>]] | recipient new --output <path>",
		Short: "Lists or rotates the key ring that masks are made with; makes keys that addresses are sealed to",
		Long: `
list and rotate ask the running server, through its admin API, for the key ring.

list prints each epoch's id, start and state, never its secret. rotate starts a new
epoch at once, without a restart: clients get new masks, and blocks made under
the epochs that are kept go on to hold.

recipient new makes, without any server, the pair of keys of a person who may reveal addresses.`,
		CobraFunc: func(cmd *cobra.Command) {
			refuseUnknown(cmd)
			for _, sub := range []struct{ name, short, method, path string }{
				{"list", "Prints the epochs' ids and times, never their secrets", http.MethodGet, adminKeys},
				{"rotate", "Starts a new epoch at once", http.MethodPost, adminRotate},
			} {
				c := &cobra.Command{
					Use: sub.name, Short: sub.short, Args: cobra.NoArgs,
					RunE: caddycmd.WrapCommandFuncForCobra(func(fl caddycmd.Flags) (int, error) {
						return askKeys(fl, sub.method, sub.path)
					}),
				}
				addAdminFlags(c)
				cmd.AddCommand(c)
			}
			cmd.AddCommand(recipientCommand())
		},
	})
}

func askKeys(fl caddycmd.Flags, method, path string) (int, error) {
	var list keyList
	if err := askAdmin(fl, method, path, nil, func(r *json.Decoder) error { return r.Decode(&list) }); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "EPOCH\tSTART\tSTATE")
	for _, e := range list.Epochs {
		start := "(configured)"
		if e.Start != nil {
			start = e.Start.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\n", e.ID, start, e.State)
	}
	return caddy.ExitCodeSuccess, out.Flush()
}
