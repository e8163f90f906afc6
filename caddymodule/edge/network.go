package edge

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/networkfeed"
	"github.com/wikiveil/wikiveil/masking/networklist"
)

// errNoRanges is where a placeholder gave nothing, as may be when a config is
// adapted on another machine than it runs on.
var errNoRanges = errors.New("there are no ranges in")

// NetworkConfig is a named network.
type NetworkConfig struct {
	// Name stands in the header Client-Network: a-z, 0-9, '.', '_' and '-'.
	Name string `json:"name"`
	// Ranges are addresses and CIDR ranges. A placeholder may give a list: ranges, also as two addresses with a hyphen
	// between, on lines or with blanks or commas between, with comments after # or ;. `{file.PATH}` is read as a
	// whole, however large it is, once. Ranges in lists are /8 or narrower, those of IPv6 /16.
	Ranges []string `json:"ranges,omitempty"`

	// Sources are lists that are followed: files as they change, addresses of https on a schedule.
	Sources []NetworkSource `json:"sources,omitempty"`
	// Refresh is how often lists are fetched, at least a minute. Default: 1h.
	Refresh caddy.Duration `json:"refresh,omitempty"`
	// MinShare is what a new list must have of the ranges of the last good one, from 0 to 1; else it is refused as
	// cut or broken. Default: 0.5.
	MinShare *float64 `json:"min_share,omitempty"`
	// AllowLoopback has lists fetched from this machine alone, by http too. Default: from public addresses alone.
	AllowLoopback bool `json:"allow_loopback,omitempty"`
}

// NetworkSource is where a list of a network comes from.
type NetworkSource struct {
	// From is a path, or an address of https. It may have placeholders.
	From string `json:"from"`
	// Format is ranges, csv, exit-addresses, onionoo or anonymous-ip. Default: told by the content.
	Format networklist.Format `json:"format,omitempty"`
}

func (n *NetworkConfig) options() options.Block {
	return options.Block{
		Name: "network",
		Args: func(d *caddyfile.Dispenser) error {
			args := d.RemainingArgs()
			if len(args) == 0 {
				return d.ArgErr()
			}
			n.Name, n.Ranges = args[0], args[1:]
			return nil
		},
		Options: []options.Option{
			{Name: "source", Args: "<path or address> [<format>]", Set: n.parseSource, Repeats: true, Doc: "A list that is followed."},
			{Name: "refresh", Args: "<duration>", Set: options.Duration(&n.Refresh), Doc: "Time between fetches. Default: 1h."},
			{Name: "min_share", Args: "<0 to 1>", Set: options.Optional(&n.MinShare, options.Float), Doc: "Least share of the last list. Default: 0.5."},
			{Name: "allow_loopback", Set: options.Flag(&n.AllowLoopback), Doc: "Only from this machine."},
		},
	}
}

func (n *NetworkConfig) parseSource(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 1 || len(args) > 2 {
		return d.ArgErr()
	}
	source := NetworkSource{From: args[0]}
	if len(args) == 2 {
		source.Format = networklist.Format(args[1])
	}
	n.Sources = append(n.Sources, source)
	return nil
}

// resolve reads the ranges, out of files and the environment too, and checks the rest. Lists are left unread.
func (n NetworkConfig) resolve(adapting bool) (networkfeed.Network, error) {
	network, err := n.resolved(adapting)
	if err != nil {
		return network, fmt.Errorf("network %q: %w", n.Name, err)
	}
	return network, nil
}

func (n NetworkConfig) resolved(adapting bool) (networkfeed.Network, error) {
	network := networkfeed.Network{Name: n.Name, Refresh: time.Duration(n.Refresh), MinShare: networkfeed.DefaultMinShare}
	if n.MinShare != nil {
		network.MinShare = *n.MinShare
	}
	switch {
	case len(n.Ranges)+len(n.Sources) == 0:
		return network, errors.New("it has no ranges and no source")
	case !(network.MinShare >= 0 && network.MinShare <= 1):
		return network, fmt.Errorf("min_share %g is not from 0 to 1", network.MinShare)
	case network.Refresh != 0 && network.Refresh < time.Minute:
		return network, fmt.Errorf("refresh %v is shorter than a minute, which those who publish lists won't like", network.Refresh)
	}
	for _, s := range n.Sources {
		source, err := s.resolve(n.AllowLoopback, adapting)
		if err == nil && slices.Contains(network.Sources, source) {
			err = fmt.Errorf("source %s is given twice", s.From)
		}
		if err != nil {
			return network, err
		}
		network.Sources = append(network.Sources, source)
	}
	for _, text := range n.Ranges {
		if err := addRanges(text, func(p netip.Prefix) { network.Fixed = append(network.Fixed, p) }); err != nil && !(adapting && errors.Is(err, errNoRanges)) {
			return network, err
		}
	}
	return network, nil
}

func (s NetworkSource) resolve(loopback, adapting bool) (networkfeed.Source, error) {
	source := networkfeed.Source{From: caddy.NewReplacer().ReplaceAll(s.From, ""), Format: s.Format, Loopback: loopback}
	switch {
	case source.Format != "" && !networklist.IsFormat(source.Format):
		return source, fmt.Errorf("source %s: there is no format %q; there are ranges, csv, exit-addresses, onionoo and anonymous-ip", s.From, s.Format)
	case adapting && s.From != source.From:
		return source, nil // the environment may be another machine's
	case source.From == "":
		return source, fmt.Errorf("source %q is empty", s.From)
	case !networkfeed.IsURL(source.From):
		return source, nil
	}
	u, err := url.Parse(source.From)
	if err == nil {
		err = networkfeed.CheckURL(u, loopback)
	}
	if err == nil && source.Format == networklist.AnonymousIP {
		err = networklist.ErrDatabase
	}
	if err != nil {
		return source, fmt.Errorf("source %s: %w", s.From, err)
	}
	return source, nil
}

// addRanges adds a range that is given, or the list that a placeholder gives. A file is read as a whole, which Caddy
// doesn't do.
func addRanges(text string, add func(netip.Prefix)) error {
	if path, ok := fileOf(text); ok {
		return addList(path, text, add)
	}
	value, err := Expand(text)
	if err != nil {
		return err
	}
	if !strings.Contains(text, "{") {
		prefix, err := masking.ParseRange(value)
		if err != nil && strings.HasPrefix(value, "/") {
			return fmt.Errorf("%w: write a file as {file.%s}", err, value)
		}
		if err == nil {
			add(prefix)
		}
		return err
	}
	_, err = networklist.List{Format: networklist.Ranges}.Read(strings.NewReader(value), add)
	if errors.Is(err, networklist.ErrEmpty) {
		return fmt.Errorf("%w %s", errNoRanges, text)
	}
	if err != nil {
		return fmt.Errorf("%s, %w", text, err)
	}
	return nil
}

func addList(path, text string, add func(netip.Prefix)) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w %s, as there is no such file", errNoRanges, text)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = networklist.List{Format: networklist.Ranges}.Read(file, add)
	if errors.Is(err, networklist.ErrEmpty) {
		return fmt.Errorf("%w %s", errNoRanges, text)
	}
	if err != nil {
		return fmt.Errorf("%s, %w", path, err)
	}
	return nil
}
