package publish

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/caddymodule/internal/checkup"
)

// The phases of a wiki's way to masks, in their order.
const (
	phaseNone      = "none"            // no site masks
	phaseObserve   = "observe"         // one at least only observes
	phaseMask      = "mask"            // all mask
	phaseReject    = "reject_ip_input" // and refuse addresses that people give them
	phasePublished = "published"       // and old data were published under an epoch whose secret is gone
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "migrate",
		Usage: "status --config <path> [--adapter <name>] [--dsn <dsn> [--prefix <prefix>]] [--keep <address|CIDR|word>...] [--json] [<log or dump>...]",
		Short: "Says how far a wiki is on its way to masks, and what is next",
		Long: `
status reads the edge's config and its storage, with --dsn the wiki's database, and the files given, and says which phase holds
(none, observe, mask, reject_ip_input, published), what is left to do, and with which line. It changes nothing. Docs: phases.md.

The phase is that of the least advanced site with client_mask; "wikiveil doctor" names sites without. The exit code is 0 if
nothing is left in what was looked at, 1 if something is, 2 if it can't be told.`,
		CobraFunc: func(cmd *cobra.Command) {
			admin.RefuseUnknown(cmd)
			c := &cobra.Command{Use: "status [<log or dump>...]", Short: "Says which phase holds, and what is next", SilenceUsage: true, RunE: runMigrateStatus}
			c.Flags().StringP("config", "c", admin.InstalledConfig(), "The edge's config")
			c.Flags().StringP("adapter", "a", "", "The adapter to read the config with")
			c.Flags().String("dsn", "", `The wiki's database, as in "wikiveil backfill"`)
			c.Flags().String("prefix", "", "What the names of the wiki's tables begin with: $wgDBprefix")
			c.Flags().Bool("json", false, "Prints JSON")
			keepFlag(c)
			cmd.AddCommand(c)
		},
	})
}

// migration is what the command prints as JSON.
type migration struct {
	Phase string `json:"phase"`
	// Left is how many findings there is something to do about.
	Left     int               `json:"left"`
	Findings []checkup.Finding `json:"findings"` // in the order of the work
}

func runMigrateStatus(cmd *cobra.Command, files []string) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	m, err := migrationStatus(ctx, cmd, files)
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) {
		if err == nil {
			err = m.print(cmd)
		}
		switch {
		case err != nil:
			return exitCannotTell, err
		case m.Left > 0:
			return exitFound, fmt.Errorf("%d things are left to do", m.Left)
		}
		return 0, nil
	})(cmd, nil)
}

func (m *migration) print(cmd *cobra.Command) error {
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(m)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "phase    %s\n", m.Phase)
	checkup.Write(cmd.OutOrStdout(), m.Findings)
	return err
}

func migrationStatus(ctx context.Context, cmd *cobra.Command, files []string) (*migration, error) {
	config, _ := cmd.Flags().GetString("config")
	if config == "" {
		return nil, errors.New("--config says which config is the edge's")
	}
	m := &migration{}
	for _, look := range []func(context.Context, *cobra.Command) error{
		m.lookAtConfig, m.lookAtTables, func(_ context.Context, cmd *cobra.Command) error { return m.lookAtFiles(cmd, files) }, m.lookAtKeys,
	} {
		if err := look(ctx, cmd); err != nil {
			return nil, err
		}
	}
	for _, f := range m.Findings {
		if f.Bad() {
			m.Left++
		}
	}
	return m, nil
}

func (m *migration) add(level checkup.Level, check, what, file, mend string) {
	m.Findings = append(m.Findings, checkup.Finding{Check: check, Level: level, What: what, File: file, Mend: mend})
}

// lookAtConfig tells the phase by what the sites do.
func (m *migration) lookAtConfig(_ context.Context, cmd *cobra.Command) error {
	path, _ := cmd.Flags().GetString("config")
	adapter, _ := cmd.Flags().GetString("adapter")
	data, _, _, err := caddycmd.LoadConfig(path, adapter)
	if err != nil {
		return err
	}
	var config any
	if err := json.Unmarshal(data, &config); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	handlers := clientMasks(config, nil)
	observing, taking := 0, 0
	for _, h := range handlers {
		switch {
		case h["mode"] == phaseObserve:
			observing++
		case h[phaseReject] == nil:
			taking++
		}
	}
	switch {
	case len(handlers) == 0:
		m.Phase = phaseNone
		m.add(checkup.Error, "config", "no site has client_mask: the wiki sees and keeps addresses", checkup.Caddyfile, "client_mask { mode observe }")
	case observing > 0:
		m.Phase = phaseObserve
		m.add(checkup.Error, "config", "a site observes: its wiki goes on to see and keep addresses", checkup.Caddyfile, "client_mask { mode mask }")
	case taking > 0:
		m.Phase = phaseMask
		m.add(checkup.OK, "config", "all sites with client_mask mask", "", "")
	default:
		m.Phase = phaseReject
		m.add(checkup.OK, "config", "all sites with client_mask mask, and refuse addresses that people give them", "", "")
	}
	return nil
}

// clientMasks appends the handlers client_mask of a config in JSON, wherever they stand in it.
func clientMasks(config any, found []map[string]any) []map[string]any {
	switch v := config.(type) {
	case map[string]any:
		if v["handler"] == "client_mask" {
			return append(found, v)
		}
		for _, inner := range v {
			found = clientMasks(inner, found)
		}
	case []any:
		for _, inner := range v {
			found = clientMasks(inner, found)
		}
	}
	return found
}

// again is the command with another flag or argument, for who is to run it so.
func again(cmd *cobra.Command, name, more string) string {
	config, _ := cmd.Flags().GetString("config")
	return "wikiveil " + name + " --config " + cmp.Or(config, "Caddyfile") + " " + more
}
