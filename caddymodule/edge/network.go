package edge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"go4.org/netipx"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/networklist"
)

// errNoRanges is where a placeholder gave nothing, as may be when a config is
// adapted on another machine than it runs on.
var errNoRanges = errors.New("there are no ranges in")

// make reads the ranges, out of files and the environment too.
func (n NetworkConfig) make() (*masking.Network, error) {
	if len(n.Ranges) == 0 {
		return nil, fmt.Errorf("network %q has no ranges", n.Name)
	}
	var set netipx.IPSetBuilder
	for _, text := range n.Ranges {
		if err := addRanges(text, &set); err != nil {
			return nil, fmt.Errorf("network %q: %w", n.Name, err)
		}
	}
	return masking.NewNetworkOf(n.Name, &set)
}

// addRanges adds a range that is given, or the list that a placeholder gives. A file is read as a whole, which Caddy
// doesn't do.
func addRanges(text string, to *netipx.IPSetBuilder) error {
	if path, ok := fileOf(text); ok {
		return addList(path, text, to)
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
		to.AddPrefix(prefix)
		return err
	}
	count, err := networklist.Read(strings.NewReader(value), to)
	if err == nil && count == 0 {
		return fmt.Errorf("%w %s", errNoRanges, text)
	}
	if err != nil {
		return fmt.Errorf("%s, %w", text, err)
	}
	return nil
}

func addList(path, text string, to *netipx.IPSetBuilder) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w %s, as there is no such file", errNoRanges, text)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	count, err := networklist.Read(file, to)
	if err == nil && count == 0 {
		return fmt.Errorf("%w %s", errNoRanges, text)
	}
	if err != nil {
		return fmt.Errorf("%s, %w", path, err)
	}
	return nil
}
