package edge

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "clock",
		Usage: "show|confirm [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Shows whether the edge believes this machine's clock, or confirms that it is right",
		Long: `
An edge whose machine's clock is far from the newest time that it and the other edges know goes by
that time instead: nothing is rotated or deleted by a clock that may be wrong. Set the clock right; or, where
it is right and the edge was off for long, confirm it.`,
		CobraFunc: func(cmd *cobra.Command) {
			admin.RefuseUnknown(cmd)
			for _, sub := range []struct{ name, short, method, path string }{
				{"show", "Shows whether this machine's clock is believed", http.MethodGet, adminClock},
				{"confirm", "Confirms that this machine's clock is right", http.MethodPost, adminConfirmClock},
			} {
				cmd.AddCommand(admin.Command(sub.name, sub.short, cobra.ExactArgs(0), func(fl caddycmd.Flags) error {
					return callClock(fl, sub.method, sub.path)
				}))
			}
		},
	})
}

func callClock(fl caddycmd.Flags, method, path string) error {
	var a clockResponse
	if err := admin.Call(fl, method, path, nil, &a); err != nil {
		return err
	}
	if !a.Confirmed {
		return errors.New(a.Why)
	}
	fmt.Printf("the clock is believed: it is %s\n", a.Now.Format(time.RFC3339))
	return nil
}
