package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/caddymodule/internal/checkup"
)

// Exit codes.
const (
	exitFine = iota
	exitFound
	exitCannotTell
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "doctor",
		Usage: "[--wiki <API URL> [--wiki-host <host>] [--around <host:port>]] [--json] [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Looks whether what the edge is for holds, and says what mends it",
		Long: `
Asks the running edge, through its admin API, and with --wiki the wiki: as a stranger does, by what anybody
may read of MediaWiki's API. It changes nothing, and needs no login.

The wiki's address is that of its api.php as readers reach it, through all that stands before the edge. --around asks whether
the wiki answers at an address past the edge; do that on a machine where a stranger might be.

It prints what is wrong, with the line that mends it, what can't be told and how to try, and what holds.
The exit code is 0 if nothing is wrong, 1 if something is, 2 if the edge or the wiki can't be asked.`,
		CobraFunc: func(cmd *cobra.Command) {
			admin.AddFlags(cmd)
			cmd.Flags().String("wiki", "", "The URL of the wiki's api.php")
			cmd.Flags().String("wiki-host", "", "The host to ask for at --wiki, if it isn't the URL's")
			cmd.Flags().String("around", "", "A host:port at which the wiki should not answer")
			cmd.Flags().Bool("json", false, "Prints JSON")
			cmd.RunE = caddycmd.WrapCommandFuncForCobra(run)
			cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
				return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return exitCannotTell, err })(cmd, nil)
			})
		},
	})
}

// report is what the command prints as JSON.
type report struct {
	// Fine: nothing is wrong, as far as could be told.
	Fine     bool              `json:"fine"`
	Findings []checkup.Finding `json:"findings"`
}

func run(fl caddycmd.Flags) (int, error) {
	if fl.NArg() > 0 {
		return exitCannotTell, errors.New("doctor takes no arguments: the wiki's address goes behind --wiki")
	}
	ctx := context.Background()
	var edge examined
	if err := admin.Call(fl, http.MethodGet, adminDoctor, nil, &edge); err != nil {
		return exitCannotTell, err
	}
	seen, failure := askWiki(ctx, fl)
	findings := append(edge.Findings, seen...)
	checkup.Sort(findings)
	bad := 0
	for _, f := range findings {
		if f.Bad() {
			bad++
		}
	}
	if err := write(os.Stdout, fl.Bool("json"), report{Fine: bad == 0 && failure == nil, Findings: findings}); err != nil {
		return exitCannotTell, err
	}
	switch {
	case bad > 0:
		return exitFound, errors.Join(fmt.Errorf("%d things are to be mended", bad), failure)
	case failure != nil:
		return exitCannotTell, failure
	}
	return exitFine, nil
}

// askWiki tells what a stranger sees. An error is why that can't be told.
func askWiki(ctx context.Context, fl caddycmd.Flags) ([]checkup.Finding, error) {
	api, around := fl.String("wiki"), fl.String("around")
	if api == "" {
		if around != "" || fl.String("wiki-host") != "" {
			return nil, errors.New("--around and --wiki-host need --wiki")
		}
		return []checkup.Finding{{Check: "wiki", Level: checkup.Untold, What: "the wiki wasn't asked", Mend: "wikiveil doctor --wiki https://wiki.example/w/api.php"}}, nil
	}
	wiki, err := checkup.NewWiki(api, fl.String("wiki-host"))
	if err != nil {
		return nil, err
	}
	defer wiki.Close()
	findings, err := wiki.Ask(ctx, running{fl})
	if err != nil {
		err = fmt.Errorf("asking the wiki: %w", err)
	}
	if around != "" {
		past, pastErr := wiki.Around(ctx, around, running{fl})
		if err = errors.Join(err, pastErr); pastErr == nil {
			findings = append(findings, past)
		}
	}
	return findings, err
}

// running is the edge that a command's flags lead to.
type running struct{ flags caddycmd.Flags }

// Expect implements [checkup.Edge].
func (e running) Expect(context.Context) (string, error) {
	var response probeResponse
	err := admin.Call(e.flags, http.MethodPost, adminProbe, probeRequest{}, &response)
	return response.Token, err
}

// Seen implements [checkup.Edge].
func (e running) Seen(_ context.Context, token string) (checkup.Seen, error) {
	var response probeResponse
	err := admin.Call(e.flags, http.MethodPost, adminProbe, probeRequest{Token: token}, &response)
	return response.Seen, err
}

// Now implements [checkup.Edge].
func (e running) Now(context.Context) (time.Time, error) {
	var clock struct{ Now time.Time }
	err := admin.Call(e.flags, http.MethodGet, "/wikiveil/clock", nil, &clock)
	return clock.Now, err
}

func write(out io.Writer, asJSON bool, r report) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(r)
	}
	checkup.Write(out, r.Findings)
	return nil
}
