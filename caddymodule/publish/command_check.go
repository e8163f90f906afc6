package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/internal/text"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/publish/check"
)

// Exit codes of check.
const (
	exitFound      = 1
	exitCannotTell = 2
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "check",
		Usage: "[--keep <address|CIDR|word>...] [--prose] [--possible] [--max <n>] [--show] [--json] <file>...",
		Short: "Looks for addresses that are left in files, before they are published",
		Long: `
Looks through files of any kind, also compressed by gzip, bzip2, zstd or xz, and prints a line
"file:line: byte N: what, in element" for each address that is left; - is standard input. Masks are none.

It finds IPv4 and IPv6 addresses and ranges as people and programs write them, and in disguise: with escapes of URLs, JSON
and HTML, in base64 or hex, in names of hosts and of reverse DNS, in octal, and as MediaWiki stores them. --possible also
takes what may be one, such as any number of ten digits: expect false alarms.

--prose passes over what a text has as a program's version: "version 1.2.3.4", "v1.2.3.4", "MediaWiki 1.39.10.2",
"Chrome/120.0.0.0". --keep names what may stay: addresses and ranges of your own servers, "documentation" for the ranges that
are set aside for that, "private" for those of local networks.

It prints no address, unless --show. The exit code is 0 if there is none, 1 if there is, 2 if a file can't be read to its end.`,
		CobraFunc: func(cmd *cobra.Command) {
			keepFlag(cmd)
			cmd.Flags().Bool("prose", false, "Passes over versions of programs")
			cmd.Flags().Bool("possible", false, "Also takes what only may be an address")
			cmd.Flags().Int("max", 100, "How many are printed for each file; all are counted")
			cmd.Flags().Bool("show", false, "Prints the addresses themselves")
			cmd.Flags().Bool("json", false, "Prints a line of JSON for each, and one for each file")
			cmd.RunE = runCheck
		},
	})
}

func keepFlag(cmd *cobra.Command) {
	cmd.Flags().StringSlice("keep", nil, `An address, a range, "documentation" or "private", which may stay (may be repeated)`)
}

// keptRanges are those that --keep has names for.
var keptRanges = map[string][]string{
	"documentation": {"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"},                                    // RFC 5737, 3849, 9637
	"private":       {"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10"}, // RFC 1918, 3927, 4193, 4291
}

func keptOf(cmd *cobra.Command) (kept []netip.Prefix, err error) {
	words, _ := cmd.Flags().GetStringSlice("keep")
	for _, word := range words {
		ranges := keptRanges[word]
		if ranges == nil {
			ranges = []string{word}
		}
		for _, text := range ranges {
			if addr, err := netip.ParseAddr(text); err == nil {
				kept = append(kept, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
				continue
			}
			prefix, err := masking.ParseRange(text)
			if err != nil {
				return nil, fmt.Errorf("--keep %q is neither an address, nor a range, nor %v", word, slices.Sorted(maps.Keys(keptRanges)))
			}
			kept = append(kept, prefix)
		}
	}
	return kept, nil
}

func runCheck(cmd *cobra.Command, files []string) error {
	cmd.SilenceUsage = true
	left, err := checkFiles(cmd, files)
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) {
		switch {
		case err != nil:
			return exitCannotTell, err
		case left > 0:
			return exitFound, fmt.Errorf("%d addresses are left", left)
		}
		return 0, nil
	})(cmd, nil)
}

func checkFiles(cmd *cobra.Command, files []string) (left int64, err error) {
	if len(files) == 0 {
		return 0, errors.New("check needs a file, or - for standard input")
	}
	var o check.Options
	if o.Keep, err = keptOf(cmd); err != nil {
		return 0, err
	}
	o.Versions, _ = cmd.Flags().GetBool("prose")
	o.Possible, _ = cmd.Flags().GetBool("possible")
	var errs []error
	for _, name := range files {
		found, err := checkFile(cmd, name, o)
		left += found
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return left, errors.Join(errs...)
}

// checked is what JSON says of a file.
type checked struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
	Left  int64  `json:"left"`
	Whole bool   `json:"whole"` // it was looked through to its end
}

func checkFile(cmd *cobra.Command, name string, o check.Options) (left int64, err error) {
	most, _ := cmd.Flags().GetInt("max")
	show, _ := cmd.Flags().GetBool("show")
	asJSON, _ := cmd.Flags().GetBool("json")
	in, progress, err := openInput(cmd, name)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out := json.NewEncoder(cmd.OutOrStdout())
	var errWrite error
	size, err := check.Run(progress, o, func(f check.Finding) {
		if left++; left > int64(most) || errWrite != nil {
			return
		}
		progress.clear()
		if asJSON {
			errWrite = out.Encode(shown(name, f, show))
		} else {
			errWrite = printFinding(cmd.OutOrStdout(), name, f, show)
		}
	})
	progress.clear()
	if asJSON && errWrite == nil {
		errWrite = out.Encode(checked{name, size, left, err == nil})
	} else if more := left - int64(most); more > 0 && errWrite == nil {
		_, errWrite = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d more\n", name, more)
	}
	return left, errors.Join(err, errWrite)
}

func shown(name string, f check.Finding, show bool) any {
	line := struct {
		File string `json:"file"`
		check.Finding
		Text string `json:"text,omitempty"`
	}{File: name, Finding: f}
	if show {
		line.Text = f.Text()
	}
	return line
}

func printFinding(out io.Writer, name string, f check.Finding, show bool) error {
	line := fmt.Sprintf("%s:%d: byte %d: %s", name, f.Line, f.Byte, f.What)
	if f.Element != "" {
		line += ", in " + f.Element
	}
	if show && text.IsVisible(f.Text()) {
		line += ": " + f.Text()
	}
	_, err := fmt.Fprintln(out, line)
	return err
}

// openInput opens a file that a person names, - for standard input.
func openInput(cmd *cobra.Command, name string) (io.ReadCloser, *progress, error) {
	if name == "-" {
		in := io.NopCloser(cmd.InOrStdin())
		return in, newProgress(cmd, in, name, 0), nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	about, err := file.Stat()
	if err == nil && about.IsDir() {
		err = errors.New("it is a directory")
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, newProgress(cmd, file, name, about.Size()), nil
}
