package backfill

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/publish/wikiname"
)

// BoundBots returns the names of bot passwords and OAuth consumers that may be used from some addresses alone: behind the edge
// these log in no more, as the wiki sees a mask. Those bound to masks don't count.
func (d *Database) BoundBots(ctx context.Context) (names []string, err error) {
	for _, kind := range []struct{ table, column, name string }{
		{"bot_passwords", "bp_restrictions", "bp_app_id"}, {"oauth_registered_consumer", "oarc_restrictions", "oarc_name"},
	} {
		if !d.has(kind.table, kind.column, kind.name) {
			continue
		}
		rows, err := d.db.QueryContext(ctx, "SELECT "+kind.name+", "+kind.column+" FROM "+d.quoted(kind.table)) //nolint:gosec // names of this package
		if err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", kind.table, d.name, err)
		}
		for err == nil && rows.Next() {
			var name, restrictions []byte
			if err = rows.Scan(&name, &restrictions); err == nil && isBound(restrictions) {
				names = append(names, string(name))
			}
		}
		if err == nil {
			err = rows.Err()
		}
		rows.Close()
		if err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", kind.table, d.name, err)
		}
	}
	return names, nil
}

// isBound reports whether restrictions, as MediaWiki's MWRestrictions keeps them, let neither everybody nor a mask in.
func isBound(restrictions []byte) bool {
	var r struct{ IPAddresses []string }
	if err := json.Unmarshal(restrictions, &r); err != nil || len(r.IPAddresses) == 0 {
		return false
	}
	return !slices.ContainsFunc(r.IPAddresses, func(text string) bool {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, ok := wikiname.Parse(text)
			return ok && masking.Is(addr)
		}
		return masking.Is(prefix.Addr()) || prefix.Addr().Is6() && prefix.Bits() == 0
	})
}
