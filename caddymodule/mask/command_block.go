package mask

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/masking/blocks"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "block",
		Usage: "add|list|remove [<mask>] [--expires <duration or time>] [--reason <text>] [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Manages the edge's own block list of masks and network masks",
		Long: `
Asks the running server, through its admin API, to refuse the clients that have a mask or
are in the network that has it. It is for apps that have no blocks of their own: those of
MediaWiki are better made in MediaWiki.

A block holds at once on this node and within seconds on others that share the storage,
survives restarts, and goes on to hold after a rotation as long as its epoch is kept.
Where masks are looked up (mask_info), it stands in the audit log before it holds.`,
		CobraFunc: func(cmd *cobra.Command) {
			admin.RefuseUnknown(cmd)
			add := admin.Command("add <mask>", "Blocks a mask or a network mask", cobra.ExactArgs(1), runBlockAdd)
			add.Flags().String("expires", "", "When the block ends: a duration such as 31d or 12h, or a time such as 2027-01-31T00:00:00Z")
			add.Flags().String("reason", "", "What who is blocked is told")
			remove := admin.Command("remove <mask>", "Removes a block", cobra.ExactArgs(1), runBlockRemove)
			remove.Flags().String("reason", "", "Why, for the audit log")
			cmd.AddCommand(add, admin.Command("list", "Prints the blocks", cobra.ExactArgs(0), runBlockList), remove)
		},
	})
}

func runBlockAdd(fl caddycmd.Flags) error {
	mask, err := blocks.ParseMask(fl.Arg(0))
	if err != nil {
		return err
	}
	body := blockRequest{Mask: mask.String(), Reason: fl.String("reason"), By: admin.WhoRuns()}
	if text := fl.String("expires"); text != "" {
		if body.Expires, err = parseExpiry(text, time.Now()); err != nil {
			return err
		}
	}
	if err := admin.Call(fl, http.MethodPost, adminBlocks, body, nil); err != nil {
		return err
	}
	fmt.Printf("blocked %s\n", mask)
	return nil
}

func runBlockRemove(fl caddycmd.Flags) error {
	mask, err := blocks.ParseMask(fl.Arg(0))
	if err != nil {
		return err
	}
	body := unblockRequest{Mask: mask.String(), Reason: fl.String("reason"), By: admin.WhoRuns()}
	if err := admin.Call(fl, http.MethodPost, adminRemoveBlocks, body, nil); err != nil {
		return err
	}
	fmt.Printf("removed the block of %s\n", mask)
	return nil
}

func runBlockList(fl caddycmd.Flags) error {
	var list []blocks.Block
	if err := admin.Call(fl, http.MethodGet, adminBlocks, nil, &list); err != nil {
		return err
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "MASK\tSINCE\tUNTIL\tBY\tREASON")
	for _, b := range list {
		until := "(no end)"
		if !b.Expires.IsZero() {
			until = b.Expires.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", b.Mask, b.Created.UTC().Format(time.RFC3339), until, b.By, b.Reason)
	}
	return out.Flush()
}

// parseExpiry reads a duration from now, or a time.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	d, err := caddy.ParseDuration(text)
	if err != nil || d <= 0 {
		return time.Time{}, errors.New("--expires is neither a duration such as 31d or 12h nor a time such as 2027-01-31T00:00:00Z")
	}
	return now.Add(d), nil
}
