package lookup

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

func auditLossCommand() *cobra.Command {
	c := auditCommand("accept-loss", "Writes to the audit log of an edge that isn't running that entries are lost, so that it starts again", cobra.NoArgs, runAuditLoss)
	c.Flags().StringP("config", "c", admin.InstalledConfig(), "The edge's config, to find its log and storage by")
	c.Flags().StringP("adapter", "a", "", "The adapter to read the config with")
	c.Flags().String("reason", "", "Why, for the audit log")
	return c
}

func runAuditLoss(cmd *cobra.Command, _ []string) error {
	path, _ := cmd.Flags().GetString("config")
	adapter, _ := cmd.Flags().GetString("adapter")
	reason, _ := cmd.Flags().GetString("reason")
	if path == "" {
		return errors.New("give the edge's config by --config: its log and storage are found by it")
	}
	if err := audit.CheckReason(reason); err != nil {
		return err
	}
	app, storage, err := edge.ReadConfig(cmd.Context(), path, adapter)
	if err != nil {
		return err
	}
	file, err := filepath.Abs(filepath.Join(app.FilesDir(), "audit.db"))
	if err != nil {
		return err
	}
	// New keys would make all there is of the log unreadable.
	if _, err := existingAuditKeys(cmd.Context(), storage); err != nil {
		return err
	}
	l, config, err := prepareAuditLog(storage, file, app.Audit)
	if errors.Is(err, audit.ErrInUse) {
		return fmt.Errorf("%w: stop the edge first", err)
	}
	if err != nil {
		return err
	}
	lost, err := audit.AcceptLoss(cmd.Context(), config, admin.OperatorID(admin.WhoRuns()), reason)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "The audit log of node %s is accepted. Lost: %s. It says so itself now.\n", l.node, lost)
	return err
}
