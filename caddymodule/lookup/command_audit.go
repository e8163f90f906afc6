package lookup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/certmagic"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/internal/text"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "audit",
		Usage: "verify|checkpoint|follow|accept-loss [<site>] [--checkpoint <path>] [--receipt <path>] [--file <path>] [--reason <text>] [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Verifies the log of who looked masks up, and keeps watch over it",
		Long: `
verify has the running server verify its audit log: that no entry was changed, moved or
taken out, and that the log goes on from its signed head in the storage and from each checkpoint
and receipt given. A receipt is what a reveal's page gives out to whoever made it. Save a
checkpoint now and then, in another place, by "wikiveil audit checkpoint" or from the site's
` + checkpointPath + `: nothing else shows that log and storage were both put back.

With --file it verifies the file of an edge that isn't running; with --config too, it
takes the keys from that config's storage, to prove what the entries hold as well.

follow needs neither keys nor the server: it proves to anybody, from what a site shows to
everybody, that its logs continue a saved checkpoint. With --save it keeps what it has proved, to go
on from; with --witness and --key it cosigns that (C2SP tlog-cosignature), so that others may rely on it.

accept-loss has an edge that isn't running start again with a log that doesn't go on from its
head: one restored from a backup, or a new one where the old is gone. Who says so, why, and what is
lost is written to the log; whoever holds a checkpoint or receipt of it goes on to see the loss.

None of them shows what the entries say.`,
		CobraFunc: func(cmd *cobra.Command) {
			admin.RefuseUnknown(cmd)
			verify := auditCommand("verify", "Verifies the audit log; exits with 1 if it is not intact", cobra.NoArgs, runAuditVerify)
			addSavedFlag(verify)
			verify.Flags().String("file", "", "The file (audit.db) of an edge that is not running, to verify instead")
			checkpoint := auditCommand("checkpoint", "Prints the published checkpoints, to be saved", cobra.NoArgs, runAuditCheckpoint)
			for _, c := range []*cobra.Command{verify, checkpoint} {
				admin.AddFlags(c)
			}
			cmd.AddCommand(verify, checkpoint, auditFollowCommand(), auditLossCommand())
		},
	})
}

func auditCommand(use, short string, args cobra.PositionalArgs, run func(*cobra.Command, []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: run}
}

func addSavedFlag(cmd *cobra.Command) {
	cmd.Flags().StringArray("checkpoint", nil, "A file with a saved answer of "+checkpointPath+" or one checkpoint (may be repeated)")
	cmd.Flags().StringArray("receipt", nil, "A file with the receipt of a reveal (may be repeated)")
}

// savedFlag reads the files of --checkpoint and --receipt: a receipt is the checkpoint of its moment.
func savedFlag(cmd *cobra.Command) (saved publishedLogs, err error) {
	files, _ := cmd.Flags().GetStringArray("checkpoint")
	receipts, _ := cmd.Flags().GetStringArray("receipt")
	for _, name := range append(files, receipts...) {
		data, err := text.ReadFile(name, maxAuditBody)
		if err != nil {
			return publishedLogs{}, fmt.Errorf("reading a checkpoint: %w", err)
		}
		one, err := parseSaved(data)
		if err == nil {
			err = saved.add(one)
		}
		if err != nil {
			return publishedLogs{}, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	return saved, nil
}

func runAuditVerify(cmd *cobra.Command, _ []string) error {
	saved, err := savedFlag(cmd)
	if err != nil {
		return err
	}
	var report auditReport
	if file, _ := cmd.Flags().GetString("file"); file != "" {
		report, err = verifyFileOf(cmd, file, saved)
	} else {
		err = admin.Call(caddycmd.Flags{FlagSet: cmd.Flags()}, http.MethodPost, adminAuditVerify, saved, &report)
	}
	if err != nil {
		return err
	}
	if !report.Intact {
		return errors.New(report.Fault)
	}
	return printAuditReport(cmd.OutOrStdout(), report)
}

func verifyFileOf(cmd *cobra.Command, file string, saved publishedLogs) (auditReport, error) {
	config, _ := cmd.Flags().GetString("config")
	adapter, _ := cmd.Flags().GetString("adapter")
	var storage certmagic.Storage
	if config != "" {
		var err error
		if _, storage, err = edge.ReadConfig(cmd.Context(), config, adapter); err != nil {
			return auditReport{}, err
		}
	}
	return verifyFile(cmd.Context(), file, storage, saved)
}

func printAuditReport(to io.Writer, r auditReport) error {
	var out bytes.Buffer
	fmt.Fprintf(&out, "The audit log of node %s is intact.\n", r.Node)
	fmt.Fprintf(&out, "log:                  %s\n", r.Log)
	fmt.Fprintf(&out, "entries ever:         %d, %d of them reveals\n", r.Entries, r.Reveals)
	fmt.Fprintf(&out, "no longer kept:       %d\n", r.Pruned)
	if !r.From.IsZero() {
		fmt.Fprintf(&out, "kept:                 from %s to %s\n", r.From.UTC().Format(time.RFC3339), r.To.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(&out, "checkpoints followed: %d\n", r.Followed)
	if r.OtherNodes > 0 {
		fmt.Fprintf(&out, "Left out: %d checkpoints of other nodes, which verify them themselves.\n", r.OtherNodes)
	}
	if r.TooOld > 0 {
		fmt.Fprintf(&out, "Left out: %d checkpoints from before what is kept.\n", r.TooOld)
	}
	if r.Followed == 0 {
		fmt.Fprintln(&out, "No checkpoint was given that shows whether the log's end was cut off.")
	}
	if !r.Decrypted {
		fmt.Fprintln(&out, "What the entries hold was not proved: give --config to read the keys.")
	}
	_, err := to.Write(out.Bytes())
	return err
}

func runAuditCheckpoint(cmd *cobra.Command, _ []string) error {
	var raw json.RawMessage
	err := admin.Call(caddycmd.Flags{FlagSet: cmd.Flags()}, http.MethodGet, adminAuditCheckpoint, nil, &raw)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), out.String())
	return err
}
