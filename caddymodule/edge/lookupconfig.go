package edge

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/audit"
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

// QuotaConfig bounds what each user may do a day (UTC), since comparing masks is an oracle.
type QuotaConfig struct {
	// Info is the number of masks looked up or compared. Default: 100.
	Info int `json:"info,omitempty"`
	// Reveal is the number of reveals. Default: 20.
	Reveal int `json:"reveal,omitempty"`
}

func (c *QuotaConfig) Limits() access.Limits {
	if c == nil {
		return access.Limits{}
	}
	return access.Limits{Info: c.Info, Reveal: c.Reveal}
}

func (c *QuotaConfig) validate() error {
	for _, n := range []int{c.Limits().Info, c.Limits().Reveal} {
		if n < 0 || n > access.MaxLimit {
			return fmt.Errorf("quota %d is not from 1 to %d", n, access.MaxLimit)
		}
	}
	return nil
}

// AuditTo has changes by operators written into an audit log. Before requests are let in only.
func (a *App) AuditTo(record func(context.Context, audit.Entry) error) { a.recordChange = record }

// AuditChange writes a change into the audit before it is made, where there is an audit log.
func (a *App) AuditChange(r *http.Request, entry audit.Entry) error {
	if a.recordChange == nil {
		return nil
	}
	if err := a.recordChange(r.Context(), entry); err != nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("nothing was changed: %w", err)}
	}
	return nil
}
