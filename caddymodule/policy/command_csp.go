package policy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/csp/rollout"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "csp",
		Usage: "forecast [<site>] [--since <duration>] [--policy <file>] [--wiki <API URL>] [--json|--page] [--draft <dir>] | rollout [[<site>] report|<n>%|enforce] [--reset [<site>]] [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Manages the third-party policy of the running server",
		CobraFunc: func(cmd *cobra.Command) {
			admin.RefuseUnknown(cmd)
			cmd.AddCommand(rolloutCommand(), forecastCommand())
		},
	})
}

func rolloutCommand() *cobra.Command {
	cmd := admin.Command("rollout [[<site>] report|<n>%|enforce]", "Shows or changes for how many clients the policy is enforced", cobra.MaximumNArgs(2), runRollout)
	cmd.Long = `
Without arguments it prints how far the policy of each site is rolled out. With a share it
changes that at once and without a reload, for clients of this node, and within seconds on
others that share the storage: ` + "`report`" + ` is the way back. The site may be left out where there is
only one.

What is set so outweighs the config's rollout, over reloads and restarts, until --reset.`
	cmd.Flags().Bool("reset", false, "Has the config's rollout hold again")
	cmd.Flags().Bool("page", false, "Prints a page, in HTML, that plots what each step did: the admin API refuses browsers")
	return cmd
}

func runRollout(fl caddycmd.Flags) error {
	switch args := fl.Args(); {
	case fl.Bool("page") && (len(args) > 0 || fl.Bool("reset")):
		return errors.New("--page takes nothing else")
	case fl.Bool("page"):
		return printRolloutPage(fl)
	case fl.Bool("reset") && len(args) > 1:
		return errors.New("--reset takes a site and no share")
	case fl.Bool("reset"):
		return callRollout(fl, http.MethodPost, rolloutChange{Site: fl.Arg(0), Reset: true, By: admin.WhoRuns()})
	case len(args) == 0:
		return callRollout(fl, http.MethodGet, nil)
	default:
		share, err := rollout.ParseShare(args[len(args)-1])
		if err != nil {
			return err
		}
		change := rolloutChange{Rollout: &share, By: admin.WhoRuns()}
		if len(args) == 2 {
			change.Site = args[0]
		}
		return callRollout(fl, http.MethodPost, change)
	}
}

// callRollout asks the admin API, and prints its list.
func callRollout(fl caddycmd.Flags, method string, change any) error {
	var list []rolloutView
	if err := admin.Call(fl, method, adminRollout, change, &list); err != nil {
		return err
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "SITE\tROLLOUT\tCONFIG\tSINCE\tBY")
	for _, site := range list {
		since, by := "-", "-"
		if n := len(site.Steps); n > 0 {
			since, by = site.Steps[n-1].Time.UTC().Format(time.RFC3339), site.Steps[n-1].By
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", site.Site, site.Rollout, site.Configured, since, by)
	}
	return out.Flush()
}

func printRolloutPage(fl caddycmd.Flags) error {
	address, err := caddycmd.DetermineAdminAPIAddress(fl.String("address"), nil, fl.String("config"), fl.String("adapter"))
	if err != nil {
		return fmt.Errorf("finding the admin API: %w", err)
	}
	resp, err := caddycmd.AdminAPIRequest(address, http.MethodGet, adminRollout, http.Header{"Accept": {"text/html"}}, nil)
	if err != nil {
		return admin.ServerError(err)
	}
	defer resp.Body.Close()
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}
