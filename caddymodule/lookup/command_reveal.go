package lookup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/internal/text"
	"github.com/wikiveil/wikiveil/lookup/seal"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "reveal",
		Usage: "--identity <path|-> [--identity <path>...] [<box>|<path>|-]",
		Short: "Opens a sealed address with the identities that it was sealed to",
		Long: `
Prints a line "mask<TAB>address". The box is the text that the wiki's page of a reveal gave
out (wikiveil-box-…): as the argument, in a file, or on standard input.

An identity file is what ` + "`wikiveil keys recipient new`" + ` made. A box of ` + "`seal any`" + ` needs one
identity of its recipients, one of ` + "`seal all`" + ` those of all of them. With --identity - it is read
from standard input, so that it can be kept encrypted.

Run this on the machine that has the identity, never on the edge.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Flags().StringArrayP("identity", "i", nil, "A file with identities, - for standard input (may be repeated)")
			cmd.Args = cobra.MaximumNArgs(1)
			cmd.RunE = runReveal
		},
	})
}

const (
	boxTextPrefix      = "wikiveil-box-"
	identityTextPrefix = "wikiveil-identity-"
	standardInput      = "-"
	// maxBoxFile is more than the longest box with its line breaks.
	maxBoxFile = 64 << 10
)

func runReveal(cmd *cobra.Command, args []string) error {
	files, _ := cmd.Flags().GetStringArray("identity")
	if len(files) == 0 {
		return errors.New("an identity is needed to open a box: give its file by --identity")
	}
	source := standardInput
	if len(args) > 0 {
		source = args[0]
	}
	inputs := 0
	for _, name := range append([]string{source}, files...) {
		// An error must not quote a secret that stands in a file's place.
		if strings.Contains(strings.ToLower(name), identityTextPrefix) {
			return errors.New("an identity stands on the command line, where others can read it: " +
				"put it into a file that you alone can read, and give its path by --identity")
		}
		if name == standardInput {
			inputs++
		}
	}
	if inputs > 1 {
		return errors.New("only one of box and identities can come from standard input")
	}
	var identities []*seal.Identity
	for _, name := range files {
		some, err := readIdentities(cmd.InOrStdin(), name)
		if err != nil {
			return err
		}
		identities = append(identities, some...)
	}
	box, err := readBox(cmd.InOrStdin(), source)
	if err != nil {
		return err
	}
	addr, err := seal.Open(box, identities...)
	if err != nil {
		return explainOpen(err, identities)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%v\t%v\n", box.Mask, addr)
	return err
}

// openInput opens a file, or standard input for "-".
func openInput(stdin io.Reader, name string) (io.ReadCloser, error) {
	if name == standardInput {
		return io.NopCloser(stdin), nil
	}
	return os.Open(name)
}

func readIdentities(stdin io.Reader, name string) ([]*seal.Identity, error) {
	in, err := openInput(stdin, name)
	if err != nil {
		return nil, fmt.Errorf("reading identities: %w", err)
	}
	defer in.Close()
	identities, err := seal.ParseIdentities(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return identities, nil
}

func readBox(stdin io.Reader, source string) (seal.Box, error) {
	if strings.HasPrefix(strings.TrimSpace(source), boxTextPrefix) {
		return parseBoxText(source)
	}
	in, err := openInput(stdin, source)
	if err != nil {
		return seal.Box{}, fmt.Errorf("reading the box: %w", err)
	}
	defer in.Close()
	text, err := text.ReadUpTo(in, source, maxBoxFile)
	if err != nil {
		return seal.Box{}, fmt.Errorf("reading the box: %w", err)
	}
	return parseBoxText(string(text))
}

func parseBoxText(text string) (seal.Box, error) {
	box, err := seal.ParseBox(text)
	if err != nil {
		return seal.Box{}, fmt.Errorf("reading the box: %w (it begins with %s; copy all of it)", err, boxTextPrefix)
	}
	return box, nil
}

// explainOpen adds what was given to what is missing.
func explainOpen(err error, identities []*seal.Identity) error {
	if !errors.Is(err, seal.ErrNoIdentity) {
		return fmt.Errorf("opening the box: %w", err)
	}
	var given []string
	for _, i := range identities {
		given = append(given, i.Recipient().ID())
	}
	return fmt.Errorf("opening the box: %w; given: %v", err, given)
}
