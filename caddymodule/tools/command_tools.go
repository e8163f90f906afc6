package tools

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "tools",
		Usage: "list|pin|disable|enable|verify [<name>] [--url <address>] [--reason <text>] [--key <key>] [--max-age <duration>] [--json] [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Shows the tools of the noticeboard, disables them at once, and verifies what they get",
		Long: `
Asks the running server, through its admin API, how the declared tools stand, or to disable
one: the kill switch. It acts at once on this node and within seconds on others that share
the storage, needs no reload, survives restarts, and holds until it is taken back,
whatever becomes of the declaration. Consents to the tool are of no use meanwhile.

With --url, only what begins with that address or path is disabled. The reason is shown
on the noticeboard and to who asks for the tool; who acted is not.

verify needs no server: it checks a wiki's transcript of what a tool gets.`,
		CobraFunc: func(cmd *cobra.Command) {
			admin.RefuseUnknown(cmd)
			cmd.AddCommand(
				admin.Command("list", "Prints how the tools stand", cobra.ExactArgs(0), runToolsList),
				switchCommand("disable <name>", "Disables a tool, or what begins with an address", runToolsDisable),
				pinCommand(),
				switchCommand("enable <name>", "Takes back what disable did for the same tool and address", runToolsEnable),
				toolsVerifyCommand(),
			)
		},
	})
}

func switchCommand(use, short string, run func(caddycmd.Flags) error) *cobra.Command {
	c := admin.Command(use, short, cobra.ExactArgs(1), run)
	c.Flags().String("url", "", "An address at the tool, or a path: only what begins with it is meant")
	c.Flags().String("reason", "", "Why, for readers")
	return c
}

func runToolsDisable(fl caddycmd.Flags) error {
	return runSwitch(fl, adminDisableTools, "disabled")
}

func runToolsEnable(fl caddycmd.Flags) error {
	return runSwitch(fl, adminEnableTools, "enabled")
}

func runSwitch(fl caddycmd.Flags, path, done string) error {
	body := switchRequest{Tool: fl.Arg(0), URL: fl.String("url"), By: admin.WhoRuns(), Why: fl.String("reason")}
	var answer switchResponse
	if err := admin.Call(fl, http.MethodPost, path, body, &answer); err != nil {
		return err
	}
	fmt.Printf("%s %s", done, answer.Tool)
	if answer.Prefix != "" {
		fmt.Printf(", what begins with %s", answer.Prefix)
	}
	fmt.Println()
	if answer.Warning != "" {
		fmt.Fprintln(os.Stderr, "WARNING:", answer.Warning)
	}
	return nil
}

func runToolsList(fl caddycmd.Flags) error {
	var list toolList
	if err := admin.Call(fl, http.MethodGet, adminTools, nil, &list); err != nil {
		return err
	}
	for _, trouble := range append([]string{list.FileError, list.StateError}, list.LeftOut...) {
		if trouble != "" {
			fmt.Fprintln(os.Stderr, "WARNING:", trouble)
		}
	}
	return list.print(os.Stdout)
}

func (list toolList) print(to io.Writer) error {
	out := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "TOOL\tSTANDING\tLABEL\tACCESS\tREVISION\tEXPIRES\tORIGIN\tREASON")
	for _, t := range list.Tools {
		expires := "(never)"
		if !t.Expires.IsZero() {
			expires = t.Expires.String()
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", t.Name, t.Standing, t.Label, t.Access, t.Revision, expires, t.Origin, t.Reason)
	}
	if err := out.Flush(); err != nil || len(list.Disabled) == 0 {
		return err
	}
	fmt.Fprintln(out, "\nDISABLED\tWHAT\tSINCE\tBY\tREASON")
	for _, k := range list.Disabled {
		what := "(all)"
		if k.Prefix != "" {
			what = k.Prefix
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", k.Tool, what, k.At.UTC().Format(time.RFC3339), k.By, k.Why)
	}
	return out.Flush()
}
