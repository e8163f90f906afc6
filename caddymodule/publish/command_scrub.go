package publish

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/internal/durable"
	"github.com/wikiveil/wikiveil/publish/packed"
	"github.com/wikiveil/wikiveil/publish/scrub"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "scrub",
		Usage: "[--output <file>] [--mode contributors|everywhere] [--format xml|sql|log|json|tsv] [--prose] [--keep <address|CIDR|word>...] [--secret-file <path>] [--config <path> [--adapter <name>]] [--site <label>] [--v6-prefix <bits>] [--epoch <id>] <file>",
		Short: "Puts masks in the place of addresses in dumps and logs",
		Long: `
Reads MediaWiki's XML dumps, SQL dumps, access logs in the common and combined formats, lines of JSON or a table with tabs;
- is standard input. What is compressed by gzip, bzip2, zstd or xz is unpacked, and --output is packed as its name ends in
.gz, .bz2 (by the program bzip2), .zst or .xz. The output has its name only once it is whole, and replaces no file.

--mode contributors, the default for dumps and tables, masks who did something: contributors, fields that are an address as a
whole, titles of users' pages, links to them and to contributions. --mode everywhere, the default for logs, masks each address
in all texts, in any spelling that ` + "`wikiveil check`" + ` finds; --prose leaves versions of programs, --keep what it names:
your own servers, "documentation", "private".

Each address gets the mask that the edge gives it, in dumps as MediaWiki writes it in names. Sizes and checksums of changed
texts are made anew. Scrubbing twice changes nothing more. Without --secret-file the edge's own key ring is used, as with
` + "`wikiveil mask`" + `.`,
		CobraFunc: func(cmd *cobra.Command) {
			edge.MaskerFlags(cmd)
			keepFlag(cmd)
			cmd.Flags().StringP("output", "o", "-", "The file to make, - for standard output")
			cmd.Flags().String("mode", "", "contributors or everywhere")
			cmd.Flags().String("format", "", "What the file is; default: what it looks like")
			cmd.Flags().Bool("prose", false, "Leaves versions of programs")
			cmd.Args = cobra.ExactArgs(1)
			cmd.RunE = runScrub
		},
	})
}

func runScrub(cmd *cobra.Command, args []string) error {
	cmd.SilenceUsage = true
	o, err := scrubOptions(cmd)
	if err != nil {
		return err
	}
	in, progress, err := openInput(cmd, args[0])
	if err != nil {
		return err
	}
	defer in.Close()
	defer progress.clear()
	unpacked, _, err := packed.NewReader(progress)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	defer unpacked.Close()
	output, _ := cmd.Flags().GetString("output")
	write := func(out io.Writer) error {
		packing, err := packed.NewWriter(out, packed.Of(output))
		if err != nil {
			return err
		}
		return errors.Join(scrub.Run(packing, unpacked, o), packing.Close())
	}
	if output == "-" {
		err = write(cmd.OutOrStdout())
	} else if err = durable.Create(output, write); errors.Is(err, os.ErrExist) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return nil
}

func scrubOptions(cmd *cobra.Command) (o scrub.Options, err error) {
	format, _ := cmd.Flags().GetString("format")
	if o.Format = scrub.Format(format); format != "" && !slices.Contains(scrub.Formats, o.Format) {
		return o, fmt.Errorf("--format %q is none of %v", format, scrub.Formats)
	}
	switch mode, _ := cmd.Flags().GetString("mode"); mode {
	case "":
	case "contributors", "everywhere":
		o.Mode = scrub.Mode(mode)
	default:
		return o, fmt.Errorf("--mode %q is neither contributors nor everywhere", mode)
	}
	o.Versions, _ = cmd.Flags().GetBool("prose")
	if o.Keep, err = keptOf(cmd); err != nil {
		return o, err
	}
	if o.Masker, _, err = commandMasker(cmd); err != nil {
		return o, err
	}
	return o, markPublished(cmd)
}
