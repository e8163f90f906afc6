package edge

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/internal/durable"
	"github.com/wikiveil/wikiveil/lookup/seal"
)

// recipientCommand is `keys recipient`.
func recipientCommand() *cobra.Command {
	recipient := &cobra.Command{Use: "recipient", Short: "Makes keys that addresses are sealed to", Args: cobra.NoArgs}
	create := &cobra.Command{
		Use:   "new --output <path|->",
		Short: "Makes an identity, and prints its recipient",
		Long: `
Writes a new identity, which is secret, to a file that its owner alone can read, and prints its
recipient, which is public, to standard output. A file that exists is never overwritten.

Run this on the machine of the person who may reveal addresses, not on the edge, and keep a
copy of the file in a safe place: without it nothing that is sealed to it opens again. The
recipient goes into the option ` + "`seal`" + ` of the edge's config.

With --output - the identity itself is printed to standard output, to be encrypted before it
is stored, and the recipient to standard error. Without --output nothing is made.`,
		Args: cobra.NoArgs,
		RunE: newRecipient,
	}
	create.Flags().StringP("output", "o", "", "The file to write the identity to, - for standard output")
	admin.RefuseUnknown(recipient)
	recipient.AddCommand(create)
	return recipient
}

func newRecipient(cmd *cobra.Command, _ []string) error {
	output, _ := cmd.Flags().GetString("output")
	if output == "" {
		return errors.New("where is the identity to go? give --output <file>, or --output - for standard output")
	}
	identity, err := seal.GenerateIdentity()
	if err != nil {
		return err
	}
	secret, err := identity.Secret()
	if err != nil {
		return err
	}
	text := fmt.Sprintf("# Wikiveil identity, made %s. Secret: it opens what is sealed to its recipient.\n# recipient: %v\n# id: %s\n%s\n",
		time.Now().UTC().Format(time.RFC3339), identity.Recipient(), identity.Recipient().ID(), secret)
	public := cmd.OutOrStdout()
	if output == "-" {
		public = cmd.ErrOrStderr()
		_, err = io.WriteString(cmd.OutOrStdout(), text)
	} else {
		err = durable.Create(output, func(to io.Writer) error {
			_, err := io.WriteString(to, text)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("writing the identity: %w", err)
	}
	_, err = fmt.Fprintln(public, identity.Recipient())
	return err
}
