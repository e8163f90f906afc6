package edge

import (
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
)

// AuditConfig is about the log of who looked masks up, compared or revealed them. It is a
// file of each node's own, `audit.db` in the app's data_dir.
type AuditConfig struct {
	// Node is this node's name in the log and in public, of A-Z, a-z, 0-9, '.', '_' and '-'; no other node may
	// have it. Default: a random one, made once and kept in the file `node_id` of the app's data_dir.
	Node string `json:"node,omitempty"`
	// Retention is how long entries are kept, at least a day. Default: a year.
	Retention caddy.Duration `json:"retention,omitempty"`
}

func (c *AuditConfig) validate() error {
	if c == nil {
		return nil
	}
	if r := time.Duration(c.Retention); r != 0 && r < 24*time.Hour {
		return fmt.Errorf("audit: retention %v is less than a day", r)
	}
	if c.Node != "" && PlainName(c.Node) != c.Node {
		return fmt.Errorf("audit: node %q is not of A-Z, a-z, 0-9, '.', '_' and '-', a letter or digit first", c.Node)
	}
	return nil
}

func (c *AuditConfig) KeepFor() time.Duration {
	if c == nil {
		return 0
	}
	return time.Duration(c.Retention)
}

// PlainName keeps what a node's name may have.
func PlainName(text string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return -1
	}, text[:min(len(text), 64)])
	return strings.TrimLeft(plain, "._-")
}

func (c *AuditConfig) options() options.Block {
	return options.Block{Name: "audit", Options: []options.Option{
		{Name: "node", Args: "<name>", Set: options.Text(&c.Node), Doc: "This node's name in it."},
		{Name: "retention", Args: "<duration>", Set: options.Duration(&c.Retention), Doc: "How long entries are kept. Default: a year."},
	}}
}
