package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/publish/blockimport"
	"github.com/wikiveil/wikiveil/publish/wikiname"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "blocks",
		Usage: "import --from <api.php|dsn|file> [--to <api.php>] [--global] [--apply] [--config <path> [--adapter <name>]] [--epoch <id>] [--site <label>]",
		Short: "Turns a wiki's blocks of addresses into blocks of masks",
		Long: `
import reads the wiki's blocks: from its API, such as https://wiki.example.org/w/api.php, from its database, by a DSN as
"wikiveil backfill" takes it (sqlite:PATH, mysql:user:password@unix(SOCKET)/wiki, or env), or from a file with what the API
answered to action=query&list=blocks&bkprop=user|expiry|reason|flags|restrictions&bklimit=max&format=json&formatversion=2.

An address becomes its client's mask, a range the mask of the range, where its length is among the ranges of
the wikiveil app, or the masks of up to 16 ranges or clients that it consists of. What can't be expressed is listed with the reason, and so are
the lengths with which the most of it could be. Addresses in reasons become masks.

--apply makes the blocks in the wiki, with expiry, reason and options as they were: the environment variables WIKIVEIL_BOT
and WIKIVEIL_BOT_PASSWORD are a bot password of Special:BotPasswords that may block. Without it nothing is changed: the
requests to the API are printed, one a line. Blocks that are there stay as they are: it may be run again.`,
		CobraFunc: func(cmd *cobra.Command) {
			admin.RefuseUnknown(cmd)
			c := &cobra.Command{Use: "import --from <api.php|dsn|file>", Short: "Makes blocks of masks of the wiki's blocks", Args: cobra.NoArgs, RunE: runBlocksImport, SilenceUsage: true}
			edge.MaskerFlags(c)
			c.Flags().String("from", "", "The wiki's api.php, its database's DSN, or a file with the API's answers; - is standard input")
			c.Flags().String("prefix", "", "What the names of the database's tables begin with: $wgDBprefix")
			c.Flags().String("to", "", "The api.php where the blocks are made; default: that of --from")
			c.Flags().Bool("global", false, "The blocks of the GlobalBlocking extension, for all wikis")
			c.Flags().Bool("apply", false, "Makes the blocks; without it, the requests are printed")
			cmd.AddCommand(c)
		},
	})
}

func runBlocksImport(cmd *cobra.Command, _ []string) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	masker, app, err := commandMasker(cmd)
	if err != nil {
		return err
	}
	from, _ := cmd.Flags().GetString("from")
	to, _ := cmd.Flags().GetString("to")
	global, _ := cmd.Flags().GetBool("global")
	apply, _ := cmd.Flags().GetBool("apply")
	if to == "" && isURL(from) {
		to = from
	}
	if apply && to == "" {
		return errors.New("--apply needs to know the wiki: give its api.php with --to")
	}
	entries, err := readBlocks(ctx, cmd, from, global)
	if err != nil {
		return err
	}
	plan, err := blockimport.Make(masker, lengthsOf(app), entries, time.Now())
	if err != nil {
		return err
	}
	if !apply {
		for _, b := range plan.Blocks {
			fmt.Fprintln(cmd.OutOrStdout(), b.Form(wikiname.Spell(b.Mask), global).Encode())
		}
		printPlan(cmd.ErrOrStderr(), plan, "nothing was changed; --apply makes them")
		return nil
	}
	made, err := applyBlocks(ctx, to, plan, global)
	printPlan(cmd.ErrOrStderr(), plan, fmt.Sprintf("%d were made; the wiki had the others", made))
	return err
}

func isURL(text string) bool {
	return strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
}

// isDSN reports whether a text names a database.
func isDSN(text string) bool {
	return text == "env" || strings.HasPrefix(text, "sqlite:") || strings.HasPrefix(text, "mysql:") || strings.Contains(text, "@unix(") || strings.Contains(text, "@tcp(")
}

// lengthsOf are the lengths that the edge gives masks for.
func lengthsOf(app *edge.App) blockimport.Lengths {
	lengths := blockimport.Lengths{V4: app.V4Ranges, V6: app.V6Ranges}
	if lengths.V4 == nil {
		lengths.V4 = masking.DefaultV4Ranges
	}
	if lengths.V6 == nil {
		lengths.V6 = masking.DefaultV6Ranges
	}
	return lengths
}

func readBlocks(ctx context.Context, cmd *cobra.Command, from string, global bool) ([]blockimport.Entry, error) {
	switch {
	case from == "":
		return nil, errors.New("--from says where the blocks are: the wiki's api.php, its database's DSN, or a file with the API's answers")
	case isURL(from):
		wiki, err := botWiki(ctx, from)
		if err != nil {
			return nil, err
		}
		return wiki.Entries(ctx, global)
	case isDSN(from):
		database, err := openFlag(ctx, cmd, "from")
		if err != nil {
			return nil, err
		}
		defer database.Close()
		return database.Blocks(ctx, global)
	case from == "-":
		return blockimport.Read(cmd.InOrStdin())
	}
	file, err := os.Open(from)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return blockimport.Read(file)
}

// botWiki is a wiki's API, logged in if the environment says as whom.
func botWiki(ctx context.Context, api string) (*blockimport.Wiki, error) {
	wiki, err := blockimport.NewWiki(api)
	if err != nil {
		return nil, err
	}
	if name := os.Getenv("WIKIVEIL_BOT"); name != "" {
		return wiki, wiki.Login(ctx, name, os.Getenv("WIKIVEIL_BOT_PASSWORD"))
	}
	return wiki, nil
}

func applyBlocks(ctx context.Context, to string, plan *blockimport.Plan, global bool) (int, error) {
	if os.Getenv("WIKIVEIL_BOT") == "" {
		return 0, errors.New("--apply needs WIKIVEIL_BOT and WIKIVEIL_BOT_PASSWORD in the environment: a bot password of Special:BotPasswords that may block")
	}
	wiki, err := botWiki(ctx, to)
	if err != nil {
		return 0, err
	}
	return wiki.Block(ctx, plan.Blocks, global)
}

// printPlan tells what became of the entries.
func printPlan(out io.Writer, plan *blockimport.Plan, done string) {
	for _, l := range plan.Left {
		fmt.Fprintf(out, "left\t%q: %s\n", l.Target(), l.Why)
	}
	if plan.Would > 0 {
		fmt.Fprintf(out, "note\t%d of them could be expressed with these lengths in the wikiveil app: ranges v4 %s and ranges v6 %s\n", plan.Would, lengthList(plan.V4Ranges), lengthList(plan.V6Ranges))
	}
	fmt.Fprintf(out, "all\t%d blocks of masks, %d entries left, %d of accounts, which hold as they are; %s\n", len(plan.Blocks), len(plan.Left), plan.Accounts, done)
}

func lengthList(lengths []int) string { return strings.Trim(fmt.Sprint(lengths), "[]") }
