package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/publish/backfill"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "backfill",
		Usage: "--dsn <dsn> [--add-column | --rename] [--apply] [--prefix <prefix>] [--state <path>] [--batch <rows>] [--rate <rows>] [--replica <dsn>... --max-lag <duration>] [--config <path> [--adapter <name>]] [--epoch <id>] [--site <label>]",
		Short: "Masks the unregistered users that a MediaWiki's database has from before the edge",
		Long: `
Fills the column actor_mask of MediaWiki's table actor with the masks that the edge gives these addresses now, spelled as
MediaWiki spells names; --add-column adds it. With --rename, masks take the place of the names everywhere: revisions, logs,
recent changes, blocks, pages of users and their talk pages, links, CheckUser's tables. Accounts stay as they are.

Without --apply nothing is changed: rows are counted. The wiki may run meanwhile; mask its clients first, else it
goes on to write addresses. Killed at any point, the same command goes on where it was.

--rename can't be taken back: make a backup of the database. It changes no text of pages and no summaries; see
"wikiveil scrub" for dumps. Run MediaWiki's jobs to their end before it (maintenance/runJobs.php).

The DSN is sqlite:PATH, or user:password@unix(/run/mysqld/mysqld.sock)/wiki, or user:password@tcp(host:3306)/wiki; "env"
takes it from the environment variable WIKIVEIL_DSN, where other users of the machine don't see the password.`,
		CobraFunc: func(cmd *cobra.Command) {
			edge.MaskerFlags(cmd)
			flags := cmd.Flags()
			flags.String("dsn", "", "The wiki's database")
			flags.String("prefix", "", "What the names of the wiki's tables begin with: $wgDBprefix")
			flags.Bool("add-column", false, "Adds actor_mask, varbinary(255) NULL UNIQUE, unless it is there")
			flags.Bool("rename", false, "Puts masks in the place of names everywhere")
			flags.Bool("apply", false, "Changes the database; without it, rows are counted")
			flags.String("state", "", "The file that keeps how far the job is (default: wikiveil-backfill.json in this directory)")
			flags.Int("batch", backfill.DefaultBatch, "The most rows that one transaction changes")
			flags.Float64("rate", 0, "The most rows that are changed in a second; 0: no limit")
			flags.StringArray("replica", nil, "The DSN of a replica to wait for (may be repeated)")
			flags.Duration("max-lag", 5*time.Second, "How far a replica may be behind")
			cmd.Args = cobra.NoArgs
			cmd.RunE = func(cmd *cobra.Command, _ []string) error {
				cmd.SilenceUsage = true
				return runBackfill(cmd)
			}
		},
	})
}

func runBackfill(cmd *cobra.Command) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	flags := cmd.Flags()
	addColumn, _ := flags.GetBool("add-column")
	rename, _ := flags.GetBool("rename")
	if addColumn && rename {
		return errors.New("--add-column fills a column, --rename puts masks in the place of names; give one")
	}
	masker, _, err := commandMasker(cmd)
	if err != nil {
		return err
	}
	job := backfill.Job{Masker: masker, Rename: rename, Progress: backfillProgress(cmd.ErrOrStderr())}
	job.Apply, _ = flags.GetBool("apply")
	job.Rate, _ = flags.GetFloat64("rate")
	job.Batch, _ = flags.GetInt("batch")
	job.MaxLag, _ = flags.GetDuration("max-lag")
	if job.State, _ = flags.GetString("state"); job.State == "" {
		job.State = filepath.Join(".", "wikiveil-backfill.json")
	}
	if job.Database, err = openFlag(ctx, cmd, "dsn"); err != nil {
		return err
	}
	defer job.Database.Close()
	lag, closeReplicas, err := replicas(ctx, cmd)
	if err != nil {
		return err
	}
	defer closeReplicas()
	job.Lag = lag
	if addColumn && job.Apply {
		if err := job.Database.AddColumn(ctx); err != nil {
			return err
		}
	}
	report, err := job.Run(ctx)
	if report != nil {
		printBackfill(cmd.OutOrStdout(), &job, report)
	}
	if errors.Is(err, backfill.ErrNoColumn) {
		return fmt.Errorf("%w; --add-column adds it", err)
	}
	return err
}

// openFlag opens the database that a flag gives.
func openFlag(ctx context.Context, cmd *cobra.Command, flag string) (*backfill.Database, error) {
	dsn, _ := cmd.Flags().GetString(flag)
	prefix, _ := cmd.Flags().GetString("prefix")
	if dsn == "env" {
		dsn = os.Getenv("WIKIVEIL_DSN")
	}
	if dsn == "" {
		return nil, fmt.Errorf("--%s says which database is the wiki's: sqlite:PATH, or user:password@unix(/path/to/socket)/database", flag)
	}
	return backfill.Open(ctx, dsn, prefix)
}

// replicas returns what tells how far the one that is farthest behind is; nil if there are none.
func replicas(ctx context.Context, cmd *cobra.Command) (func(context.Context) (time.Duration, error), func(), error) {
	dsns, _ := cmd.Flags().GetStringArray("replica")
	var all []*backfill.Database
	closeAll := func() {
		for _, d := range all {
			d.Close()
		}
	}
	for _, dsn := range dsns {
		d, err := backfill.Open(ctx, dsn, "")
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		all = append(all, d)
	}
	if len(all) == 0 {
		return nil, closeAll, nil
	}
	return func(ctx context.Context) (most time.Duration, err error) {
		for _, d := range all {
			lag, err := d.Lag(ctx)
			if err != nil {
				return 0, err
			}
			most = max(most, lag)
		}
		return most, nil
	}, closeAll, nil
}

// backfillProgress says on a terminal how far the job is, how fast it goes and how long it takes yet; nil elsewhere.
func backfillProgress(to io.Writer) func(done, total int64) {
	if file, ok := to.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	begun, said, before := time.Now(), time.Time{}, int64(-1)
	return func(done, total int64) {
		if before < 0 {
			before = done // what an earlier run did takes no time now
		}
		now := time.Now()
		if now.Sub(said) < time.Second && done < total {
			return
		}
		said = now
		rate := float64(done-before) / max(now.Sub(begun).Seconds(), 0.001)
		left := time.Duration(float64(total-done) / max(rate, 1) * float64(time.Second)).Round(time.Second)
		fmt.Fprintf(to, "\r\x1b[K%d of about %d rows, %.0f/s, %s left", done, total, rate, left)
		if done >= total {
			fmt.Fprintln(to)
		}
	}
}

func printBackfill(out io.Writer, job *backfill.Job, report *backfill.Report) {
	did := "would be masked"
	if job.Apply {
		did = "masked"
	}
	var sum int64
	for _, p := range report.Places {
		sum += p.Changed
		if p.Changed > 0 {
			fmt.Fprintf(out, "%s\t%d %s\n", p.Place, p.Changed, did)
		}
	}
	fmt.Fprintf(out, "all\t%d %s\n", sum, did)
	for _, line := range []struct {
		count int64
		text  string
	}{
		{report.Merged, "rows became one with another of the same mask, as those of two addresses in one /64"},
		{report.Shared, "rows of actor have no mask: another row has the same, and the column is unique. Drop its unique index and run this again to fill them too"},
		{report.Odd, "names only look like addresses, such as 192.0.2.xxx, and stay"},
	} {
		if line.count > 0 {
			fmt.Fprintf(out, "note\t%d %s\n", line.count, line.text)
		}
	}
	for _, length := range slices.Sorted(maps.Keys(report.Ranges)) {
		fmt.Fprintf(out, "note\t%d blocks of ranges of %s: they hold where that length is among the ranges of the wikiveil app\n", report.Ranges[length], length)
	}
	if len(report.Uncovered) > 0 {
		slices.Sort(report.Uncovered)
		fmt.Fprintf(out, "note\tnot read, and may hold addresses: %s\n", strings.Join(report.Uncovered, ", "))
	}
	if !job.Apply {
		fmt.Fprintln(out, "note\tnothing was changed; --apply does it")
	}
}
