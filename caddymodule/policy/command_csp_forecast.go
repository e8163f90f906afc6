package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/csp/forecast"
	"github.com/wikiveil/wikiveil/internal/text"
)

func forecastCommand() *cobra.Command {
	cmd := admin.Command("forecast [<site>]", "Tells what enforcing the policy would break, and drafts declarations of tools", cobra.MaximumNArgs(1), printForecast)
	cmd.Long = `
Tells from the reports that the running server has collected which gadgets the policy
would break if it were enforced, with the smallest declarations of tools that would keep
them working. The policy is the one of report_only, or the site's. The site may be left out
where only one collects reports.

Browsers mostly don't name the gadget. With --wiki the gadgets' code is read through
MediaWiki's API, without logging in, and searched for what was blocked.

With --policy it tells what a proposed policy changes against the site's.

--draft writes into a new directory: tools.json and tools.Caddyfile with the declarations, to
be reviewed and filled in, and in incomplete.json and incomplete.Caddyfile those that are refused
until an operator has completed them: of scripts, and of mirrors, whose hashes are missing.`
	cmd.Flags().String("since", "7d", "How far back to look")
	cmd.Flags().String("policy", "", "A file with a proposed policy")
	cmd.Flags().String("wiki", "", "The URL of the wiki's api.php, to read the gadgets' code")
	cmd.Flags().String("wiki-host", "", "The host to ask for at --wiki, if it isn't the URL's")
	cmd.Flags().String("origin", "", "The wiki's origin, where the config does not tell it")
	cmd.Flags().Bool("json", false, "Prints JSON")
	cmd.Flags().Bool("page", false, "Prints the page for browsers, in HTML")
	cmd.Flags().String("draft", "", "A directory to write the drafts into; it must not exist or be empty")
	cmd.Flags().Bool("allow-loopback", false, "For tests only: drafts declarations of tools on this machine, too")
	return cmd
}

func printForecast(fl caddycmd.Flags) error {
	if fl.Bool("json") && fl.Bool("page") {
		return errors.New("use one of --json and --page")
	}
	proposed, err := readProposed(fl.String("policy"))
	if err != nil {
		return err
	}
	collected, err := fetchReports(fl)
	if err != nil {
		return err
	}
	if origin := fl.String("origin"); origin != "" {
		if err := checkOrigin(origin); err != nil {
			return err
		}
		collected.Origin = origin
	}
	if collected.Origin == "" {
		return fmt.Errorf("%w, or give --origin", errNoSiteOrigin)
	}
	var code []forecast.Code
	if api := fl.String("wiki"); api != "" {
		if code, err = forecast.MediaWikiGadgets(context.Background(), api, fl.String("wiki-host")); err != nil {
			return err
		}
	}
	made, err := collected.forecastOf(proposed, code, fl.Bool("allow-loopback"))
	if err != nil {
		return err
	}
	if dir := fl.String("draft"); dir != "" {
		if err := writeDrafts(dir, made); err != nil {
			return fmt.Errorf("writing the drafts: %w", err)
		}
	}
	switch {
	case fl.Bool("json"):
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(made)
	case fl.Bool("page"):
		return writeForecastPage(os.Stdout, collected, made)
	}
	return made.WriteText(os.Stdout)
}

// readProposed reads the file with the proposed policy, and checks it before anybody is asked.
func readProposed(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	text, err := text.ReadFile(name, 1<<20)
	if err != nil {
		return "", err
	}
	if _, err := forecast.ParsePolicy(string(text)); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return string(text), nil
}

func fetchReports(fl caddycmd.Flags) (*siteReports, error) {
	since, err := caddy.ParseDuration(fl.String("since"))
	if err != nil || since <= 0 {
		return nil, errors.New("--since is no duration such as 7d or 12h")
	}
	now := time.Now().UTC()
	query := url.Values{
		"first": {now.Add(-since).Format(time.RFC3339)}, "last": {now.Format(time.RFC3339)},
	}
	if site := fl.Arg(0); site != "" {
		query.Set("site", site)
	}
	var collected siteReports
	err = admin.Call(fl, http.MethodGet, adminReports+"?"+query.Encode(), nil, &collected)
	if err == nil && collected.Reports == nil {
		err = errors.New("reading the admin API's answer: it has no reports")
	}
	return &collected, err
}

// writeDrafts writes the drafts into a new or empty directory.
func writeDrafts(dir string, made *forecast.Forecast) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if there, err := os.ReadDir(dir); err != nil || len(there) > 0 {
		return errors.Join(err, fmt.Errorf("%s is not empty", dir))
	}
	var tools, incomplete []*forecast.Draft
	for _, d := range made.Drafts() {
		if d.Tool.Validate() == nil {
			tools = append(tools, d)
		} else {
			incomplete = append(incomplete, d)
		}
	}
	if err := writeDraftFiles(filepath.Join(dir, "tools"), tools); err != nil || len(incomplete) == 0 {
		return err
	}
	return writeDraftFiles(filepath.Join(dir, "incomplete"), incomplete)
}

func writeDraftFiles(name string, drafts []*forecast.Draft) error {
	data, err := forecast.File(drafts)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".json", data, 0o644); err != nil {
		return err
	}
	return os.WriteFile(name+".Caddyfile", []byte(forecast.Caddyfile(drafts)), 0o644)
}
