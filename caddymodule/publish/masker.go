package publish

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/masking"
)

// errSalted: with salts, no command can make the mask that the edge gives a client.
var errSalted = errors.New("clients' masks have salts (`salt` in the config), which only the running edge has: old addresses can't get the masks that the edge gives now")

// commandMasker makes the masker that a command's flags ask for; see [edge.CommandMasker].
func commandMasker(cmd *cobra.Command) (*masking.Masker, *edge.App, error) {
	masker, app, err := edge.CommandMasker(cmd)
	if err == nil && app.Salt != nil {
		return nil, nil, errSalted
	}
	return masker, app, err
}
