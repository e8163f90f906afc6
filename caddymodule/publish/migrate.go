package publish

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/checkup"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/publish/backfill"
	"github.com/wikiveil/wikiveil/publish/check"
)

// lookAtTables counts what "wikiveil backfill --rename" would mask, and finds bots that no longer get in.
func (m *migration) lookAtTables(ctx context.Context, cmd *cobra.Command) error {
	if dsn, _ := cmd.Flags().GetString("dsn"); dsn == "" {
		m.add(checkup.Untold, "tables", "the wiki's database wasn't looked at", "", again(cmd, "migrate status", "--dsn env"))
		return nil
	}
	database, err := openFlag(ctx, cmd, "dsn")
	if err != nil {
		return err
	}
	defer database.Close()
	masker, err := masking.NewMasker([]byte(rand.Text()+rand.Text()), "", 0) // nobody sees these masks: rows are only counted
	if err != nil {
		return err
	}
	report, err := (&backfill.Job{Database: database, Masker: masker, Rename: true}).Run(ctx)
	if err != nil {
		return err
	}
	bots, err := database.BoundBots(ctx)
	if err != nil {
		return err
	}
	m.tellTables(cmd, report)
	if len(bots) > 0 {
		m.add(checkup.Warning, "bots", fmt.Sprintf("%d bots may log in from some addresses alone, which the wiki doesn't see any more: %q", len(bots), bots), "",
			"give each the mask that its address has (wikiveil mask ADDRESS) in Special:BotPasswords, or no restriction")
	} else {
		m.add(checkup.OK, "bots", "none is bound to addresses", "", "")
	}
	return nil
}

func (m *migration) tellTables(cmd *cobra.Command, report *backfill.Report) {
	var blocks, rows int64
	var columns []string
	for _, p := range report.Places {
		switch table, _, _ := strings.Cut(p.Place, "."); {
		case p.Changed == 0:
		case table == "ipblocks" || table == "block_target" || table == "globalblocks":
			blocks += p.Changed
		default:
			rows += p.Changed
			columns = append(columns, fmt.Sprintf("%s %d", p.Place, p.Changed))
		}
	}
	if blocks > 0 {
		m.add(checkup.Warning, "blocks", fmt.Sprintf("%d old blocks are of addresses, and stop nobody whom the wiki sees by a mask", blocks), "",
			again(cmd, "blocks import", "--from https://WIKI/w/api.php --apply"))
	} else {
		m.add(checkup.OK, "blocks", "none is of an address", "", "")
	}
	if rows > 0 {
		m.add(checkup.Warning, "tables", fmt.Sprintf("%d rows hold addresses: %s", rows, strings.Join(columns, ", ")), "", again(cmd, "backfill", "--dsn env --rename --apply"))
	} else {
		m.add(checkup.OK, "tables", "no row that was looked at holds an address", "", "")
	}
	if len(report.Uncovered) > 0 {
		m.add(checkup.Untold, "extensions", "not read, and may hold addresses: "+strings.Join(report.Uncovered, ", "), "", "look at these columns by yourself")
	}
}

// lookAtFiles counts the addresses in logs and dumps.
func (m *migration) lookAtFiles(cmd *cobra.Command, files []string) error {
	if len(files) == 0 {
		m.add(checkup.Untold, "logs", "no log or dump was given to look through", "", again(cmd, "migrate status", "/var/log/caddy/*.log /var/log/wiki/*.log*"))
		return nil
	}
	o := check.Options{Versions: true}
	var err error
	if o.Keep, err = keptOf(cmd); err != nil {
		return err
	}
	for _, name := range files {
		left := 0
		in, progress, err := openInput(cmd, name)
		if err != nil {
			return err
		}
		_, err = check.Run(progress, o, func(check.Finding) { left++ })
		progress.clear()
		if err = errors.Join(err, in.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if left > 0 {
			m.add(checkup.Warning, "logs", fmt.Sprintf("%s has %d addresses", name, left), "", again(cmd, "scrub", "--output "+name+".masked "+name))
		} else {
			m.add(checkup.OK, "logs", name+" has no address", "", "")
		}
	}
	return nil
}

// lookAtKeys tells whether the masks of published data can still be tried out, and what is left of the last two phases.
func (m *migration) lookAtKeys(ctx context.Context, cmd *cobra.Command) error {
	if m.Phase == phaseMask {
		m.add(checkup.Warning, "input", "a site takes addresses that people give the wiki by accident", checkup.Caddyfile, "client_mask { reject_ip_input }")
	}
	path, _ := cmd.Flags().GetString("config")
	adapter, _ := cmd.Flags().GetString("adapter")
	app, storage, err := edge.ReadConfig(ctx, path, adapter)
	if err != nil {
		return err
	}
	marked, err := readPublished(ctx, storage)
	if err != nil {
		return err
	}
	if len(marked) == 0 {
		m.add(checkup.OK, "keys", "nothing was scrubbed with a key of this ring", "", "")
		return nil
	}
	ring, current, err := edge.CommandRing(ctx, app, storage)
	if err != nil {
		return err
	}
	if _, published := marked[current.ID()]; published {
		m.add(checkup.Warning, "keys", "the epoch in use has given scrubbed data their masks: who learns its secret learns the addresses in those, and in the wiki", "",
			"wikiveil keys rotate")
		return nil
	}
	for _, epoch := range ring.Epochs() {
		if _, published := marked[epoch.ID()]; published {
			m.add(checkup.Warning, "keys", "the secret of epoch "+epoch.ID()+", whose masks scrubbed data have, is still there", "", "wikiveil keys remove "+epoch.ID())
			return nil
		}
	}
	m.add(checkup.OK, "keys", "no secret is left of the epochs whose masks scrubbed data have", "", "")
	if m.Phase == phaseReject {
		m.Phase = phasePublished
	}
	return nil
}
