package lookup

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/internal/durable"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

// nodeFile is beside the audit log: a node is where the data is, whatever the host is called. A container
// that is made anew keeps its name by it, and two nodes never have the same one.
const nodeFile = "node_id"

// nodeOf returns the name of the node that a log belongs to. It is the log's own, if there is one already; else the
// configured one, or the one that was made when the data directory was new.
func nodeOf(file string, store audit.Store, config *edge.AuditConfig) (string, error) {
	inLog, err := audit.NodeOf(store)
	if err != nil {
		return "", err
	}
	configured := ""
	if config != nil {
		configured = config.Node
	}
	place := filepath.Join(filepath.Dir(file), nodeFile)
	kept, err := readNode(place)
	if err != nil {
		return "", err
	}
	known := kept
	if inLog != "" {
		known = inLog
	}
	switch {
	case inLog != "" && kept != "" && inLog != kept:
		return "", fmt.Errorf("%s is the log of node %s, and %s says %s: put the right one of them back", file, inLog, place, kept)
	case configured != "" && known != "" && known != configured:
		return "", fmt.Errorf("%s is for the log of node %s, and a node can't be renamed to %s: leave out audit { node }, or begin"+
			" with an empty data_dir", filepath.Dir(file), known, configured)
	case configured != "" && known == "":
		known = configured
	case known == "":
		var id [8]byte
		rand.Read(id[:]) // never fails
		known = hex.EncodeToString(id[:])
	}
	if kept == known {
		return known, nil
	}
	if err := durable.Replace(place, []byte(known+"\n")); err != nil {
		return "", fmt.Errorf("keeping the node's name: %w", err)
	}
	return known, nil
}

func readNode(place string) (string, error) {
	data, err := os.ReadFile(place)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the node's name: %w", err)
	}
	name := strings.TrimSpace(string(data))
	if name == "" || edge.PlainName(name) != name {
		return "", fmt.Errorf("%s is damaged: it is no node's name; restore it from a backup, or write the name that the log in the"+
			" same directory has (wikiveil audit verify --file tells it)", place)
	}
	return name, nil
}
