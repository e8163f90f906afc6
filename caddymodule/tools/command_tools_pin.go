package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func pinCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "pin <name> <address>...",
		Short: "Fetches files and prints the declaration of a mirror that pins them",
		Long: `
Fetches the files at the addresses, as the edge would, and what style sheets among them
load, and prints the declaration of a tool that is a mirror of them: with their hashes as they
are now. Look at the files before you trust them. No server need run.

The first address gives the tool's origin. Further hosts to which the addresses
redirect are given with --host.`,
		Args: cobra.MinimumNArgs(2),
		RunE: runToolsPin,
	}
	c.Flags().StringSlice("host", nil, "A further host that redirects may lead to")
	c.Flags().Bool("json", false, "Prints JSON, as for the config's tools and the member wikiveil of a file of tools")
	c.Flags().Bool("allow-loopback", false, "For tests only: the service is on this machine")
	return c
}

func runToolsPin(cmd *cobra.Command, args []string) error {
	hosts, _ := cmd.Flags().GetStringSlice("host")
	loopback, _ := cmd.Flags().GetBool("allow-loopback")
	asJSON, _ := cmd.Flags().GetBool("json")
	p := &pinner{tool: &noticeboard.Tool{Name: args[0], Hosts: hosts, AllowLoopback: loopback}, seen: make(map[string]bool)}
	if err := p.pin(cmd.Context(), args[1:]); err != nil {
		return err
	}
	if asJSON {
		return p.printJSON(os.Stdout)
	}
	return p.printCaddyfile(os.Stdout)
}

// pinner makes the declaration of a mirror.
type pinner struct {
	tool  *noticeboard.Tool
	kinds []noticeboard.Kind
	seen  map[string]bool // addresses
}

// maxPinned bounds the files of one declaration.
const maxPinned = 1000

// pin fetches files and all that they load.
func (p *pinner) pin(ctx context.Context, addresses []string) error {
	var queue []*url.URL
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
			return fmt.Errorf("%s isn't an address such as https://cdn.example.org/lib.js", address)
		}
		queue = append(queue, u)
	}
	normalHost(queue[0])
	p.tool.Origin = queue[0].Scheme + "://" + queue[0].Host
	for given := len(queue); len(queue) > 0; given-- {
		u := queue[0]
		queue = queue[1:]
		normalHost(u)
		if p.seen[u.String()] {
			continue
		}
		p.seen[u.String()] = true
		if len(p.seen) > maxPinned {
			return fmt.Errorf("there are more than %d files", maxPinned)
		}
		leads, err := p.add(ctx, u)
		switch {
		case err != nil && given > 0:
			return fmt.Errorf("pinning %s: %w", u, err)
		case err != nil: // the mirror leads nowhere in its place
			fmt.Fprintf(os.Stderr, "WARNING: leaving out %s, which a style sheet loads: %v\n", u, err)
		}
		queue = append(queue, leads...)
	}
	slices.Sort(p.kinds)
	p.tool.Kinds, p.tool.Executable = p.kinds, slices.Contains(p.kinds, noticeboard.Script)
	return p.tool.Validate()
}

// add fetches a file, and returns what it loads.
func (p *pinner) add(ctx context.Context, u *url.URL) ([]*url.URL, error) {
	if u.Scheme != strings.SplitN(p.tool.Origin, ":", 2)[0] {
		return nil, errors.New("it is of another scheme than the first address")
	}
	if strings.Contains(u.String(), "{$") || strings.ContainsAny(u.String(), "`\\") {
		// A service could else have the operator's secrets put into an address that the edge asks it for.
		return nil, errors.New("a Caddyfile would read its address as something else: it holds {$, ` or \\")
	}
	origin, asked := u.Scheme+"://"+u.Host, *p.tool
	if origin != p.tool.Origin && !slices.Contains(p.tool.Hosts, u.Host) {
		asked.Hosts = append(slices.Clone(asked.Hosts), u.Host)
	}
	asked.Mirror = nil
	file, err := anonproxy.FetchUnpinned(ctx, &asked, u, anonproxy.Config{})
	if err != nil {
		return nil, err
	}
	p.tool.Hosts = asked.Hosts
	path := u.String()
	if origin == p.tool.Origin {
		path = u.RequestURI()
	}
	p.tool.Mirror = append(p.tool.Mirror, noticeboard.MirrorFile{Path: path, Integrity: file.Integrity})
	if !slices.Contains(p.kinds, file.Kind) {
		p.kinds = append(p.kinds, file.Kind)
	}
	return file.Leads, nil
}

// normalHost writes an address's host as a declaration has it.
func normalHost(u *url.URL) {
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if u.Scheme == "https" {
		u.Host = strings.TrimSuffix(u.Host, ":443")
	}
}

// declared is the tool as it stands on a noticeboard.
func (p *pinner) declared() (*noticeboard.Tool, error) {
	board, err := noticeboard.New([]*noticeboard.Tool{p.tool})
	if err != nil {
		return nil, err
	}
	tool, _ := board.Lookup(p.tool.Name)
	return tool, nil
}

func (p *pinner) printJSON(to io.Writer) error {
	enc := json.NewEncoder(to)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "\t")
	return enc.Encode(p.tool)
}

func (p *pinner) printCaddyfile(to io.Writer) error {
	tool, err := p.declared()
	if err != nil {
		return err
	}
	var b strings.Builder
	_ = p.tool.WriteCaddyfile(&b) // a builder takes all
	b.WriteString("\n# On the wiki, where browsers ask again each hour, and where they keep this very file for good:\n")
	for _, address := range tool.MirrorAddresses(noticeboard.DefaultPrefix) {
		fmt.Fprintf(&b, "# %s\n#   %s\n", address.Address, address.Versioned)
	}
	_, err = io.WriteString(to, b.String())
	return err
}
