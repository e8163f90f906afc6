package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/user"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// Command is a command that asks the running server. What run returns is printed as Caddy prints errors of its own.
func Command(use, short string, args cobra.PositionalArgs, run func(caddycmd.Flags) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: args, RunE: caddycmd.WrapCommandFuncForCobra(func(fl caddycmd.Flags) (int, error) {
		if err := run(fl); err != nil {
			return caddy.ExitCodeFailedStartup, err
		}
		return caddy.ExitCodeSuccess, nil
	})}
	AddFlags(c)
	return c
}

// installedConfig is where the Debian package has the config (contrib/debian).
const installedConfig = "/etc/wikiveil/Caddyfile"

// InstalledConfig returns the config that commands take where none is named: the package's, or none.
func InstalledConfig() string {
	if _, err := os.Stat(installedConfig); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return installedConfig
}

// AddFlags adds the flags by which a command finds the running server's admin API.
func AddFlags(cmd *cobra.Command) {
	cmd.Flags().String("address", "", "The address of the admin API, if it isn't the default one")
	cmd.Flags().StringP("config", "c", InstalledConfig(), "The config to find the address of the admin API in; "+installedConfig+" where it's there")
	cmd.Flags().StringP("adapter", "a", "", "The adapter to read the config with")
}

// RefuseUnknown makes a command that only has others fail for a name that none of them has. Cobra alone prints
// the help and succeeds, which a script that means to stop a tool would take for done.
func RefuseUnknown(cmd *cobra.Command) {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	}
}

// ErrNoAPI: the admin API can't be reached.
var ErrNoAPI = errors.New("asking the admin API (is the server running?)")

// Call sends body, if any, as JSON to the running server's admin API, and reads the JSON of its response into the place of
// answer, if there is one.
func Call(fl caddycmd.Flags, method, path string, body, answer any) error {
	response, err := Open(fl, method, path, body)
	if err != nil {
		return err
	}
	defer response.Close()
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(response).Decode(answer); err != nil {
		return fmt.Errorf("reading the admin API's answer: %w", err)
	}
	return nil
}

// Open sends body, if any, as JSON to the running server's admin API, and returns its response.
func Open(fl caddycmd.Flags, method, path string, body any) (io.ReadCloser, error) {
	address, err := caddycmd.DetermineAdminAPIAddress(fl.String("address"), nil, fl.String("config"), fl.String("adapter"))
	if err != nil {
		return nil, fmt.Errorf("finding the admin API: %w", err)
	}
	var reader io.Reader
	header := make(http.Header)
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(data)
		header.Set("Content-Type", "application/json")
	}
	resp, err := caddycmd.AdminAPIRequest(address, method, path, header, reader)
	if err != nil {
		return nil, ServerError(err)
	}
	return resp.Body, nil
}

// ServerError says whether the server refused or wasn't there. Caddy gives both as text.
func ServerError(err error) error {
	answer, answered := strings.CutPrefix(err.Error(), "caddy responded with error: ")
	if !answered {
		return fmt.Errorf("%w: %w", ErrNoAPI, err)
	}
	status, body, _ := strings.Cut(answer, ": ")
	var refusal struct {
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte(body), &refusal) == nil && refusal.Error != "" {
		body = refusal.Error
	}
	return fmt.Errorf("the server refused: %s (%s)", strings.TrimSpace(body), status)
}

// WhoRuns names the person at the command line, for the list.
func WhoRuns() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username + " (command)"
	}
	return "command"
}
