// Package program gives the binary its own name: Caddy's commands, their help, completion and manual pages speak of `wikiveil`, and
// call Caddy what it is built on. It does so wherever this package is built in, by cmd/wikiveil and by xcaddy alike.
package program

import (
	"errors"
	"os"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Version is Wikiveil's own, by https://semver.org. CHANGELOG.md says what changed.
const Version = "0.1.0"

const name = "wikiveil"

const about = `Wikiveil is an edge server that keeps the readers of a wiki private: it masks their
addresses, stops pages from loading anything from other sites, and fetches declared
tools for readers without saying who asks. It is built on Caddy, and has its commands too.

To begin, with a Caddyfile in the current folder:

	$ wikiveil validate     # whether the config can work
	$ wikiveil run          # in the foreground, until Ctrl-C
	$ wikiveil doctor       # whether all that the edge is for holds

Where it's installed as a package, the config is /etc/wikiveil/Caddyfile, the service is
wikiveil.service, and ` + "`man wikiveil`" + ` begins the manual.`

const examples = `  $ wikiveil run --config /etc/wikiveil/Caddyfile
  $ wikiveil reload --config /etc/wikiveil/Caddyfile
  $ wikiveil mask 203.0.113.9
  $ wikiveil doctor --wiki https://wiki.example.org/w/api.php`

const footer = `Documentation: docs/README.md, which packages have in /usr/share/doc/wikiveil.
Of Caddy's own commands: https://caddyserver.com/docs/command-line
`

func init() {
	caddy.CustomBinaryName = name
	caddy.CustomLongDescription = about
	caddy.CustomVersion = "Wikiveil " + Version + ", built on Caddy"

	// Caddy hands its root command to nobody, but a command that is added has it as its parent.
	var first *cobra.Command
	register("wikiveil-name", func(cmd *cobra.Command) { first = cmd })
	register("wikiveil-root", func(*cobra.Command) { own(first.Root()) })
}

// register adds a command that nobody sees.
func register(name string, onBuild func(*cobra.Command)) {
	caddycmd.RegisterCommand(caddycmd.Command{Name: name, Short: "For Wikiveil's own use", CobraFunc: func(cmd *cobra.Command) {
		cmd.Hidden = true
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Root().Help() }
		onBuild(cmd)
	}})
}

// own makes a root command Wikiveil's. Commands may still be added to it: so it's done again when one is used.
func own(root *cobra.Command) {
	root.Short, root.Example, root.DisableAutoGenTag = "keeps the readers of a wiki private", examples, true
	rename(root)
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		rename(root)
		help(cmd, args)
	})
	cobra.OnInitialize(func() { rename(root) }) // before a command runs: completion and manpage among them
}

// fromElsewhere are the commands that would put a download of Caddy's, which masks nothing, in the place of this binary.
var fromElsewhere = map[string]bool{"upgrade": true, "add-package": true, "remove-package": true}

func rename(root *cobra.Command) {
	template, _, _ := strings.Cut(root.HelpTemplate(), "Full documentation is available")
	if !strings.HasSuffix(template, footer) {
		root.SetHelpTemplate(template + footer)
	}
	for _, cmd := range root.Commands() {
		switch {
		case fromElsewhere[cmd.Name()]:
			root.RemoveCommand(cmd)
		case cmd.Name() == "manpage":
			cmd.RunE = caddycmd.WrapCommandFuncForCobra(writeManual(root))
		case cmd.Name() == "version":
			cmd.Long = "Prints the versions of Wikiveil and of the Caddy that it is built on."
		}
		renameTree(cmd)
	}
}

func renameTree(cmd *cobra.Command) {
	for _, text := range []*string{&cmd.Use, &cmd.Short, &cmd.Long, &cmd.Example} {
		*text = ownName(*text)
	}
	for _, sub := range cmd.Commands() {
		renameTree(sub)
	}
}

// programName finds Caddy where it's the program: not in Caddyfile, an address, a file's name, nor in what is Caddy's.
var programName = regexp.MustCompile(`(^|[^\w/.-])([cC]addy)\b('s|’s| modules|[.][a-z])?`)

func ownName(text string) string {
	return programName.ReplaceAllStringFunc(text, func(found string) string {
		part := programName.FindStringSubmatch(found)
		switch {
		case part[3] != "":
			return found
		case part[2] == "caddy":
			return part[1] + name
		default:
			return part[1] + "Wikiveil"
		}
	})
}

// writeManual writes a manual page for each command. SOURCE_DATE_EPOCH, seconds since 1970, dates them.
func writeManual(root *cobra.Command) caddycmd.CommandFunc {
	return func(flags caddycmd.Flags) (int, error) {
		dir := strings.TrimSpace(flags.String("directory"))
		if dir == "" {
			return caddy.ExitCodeFailedStartup, errors.New("say where the pages go: wikiveil manpage --directory <path>")
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return caddy.ExitCodeFailedStartup, err
		}
		header := &doc.GenManHeader{Title: strings.ToUpper(name), Section: "8", Source: "Wikiveil " + Version, Manual: "Wikiveil"}
		if err := doc.GenManTree(root, header, dir); err != nil {
			return caddy.ExitCodeFailedStartup, err
		}
		return caddy.ExitCodeSuccess, nil
	}
}
