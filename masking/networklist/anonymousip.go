package networklist

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"
)

// maxRecords bounds the work: the index of a bad database may lead to the same places again and again.
const maxRecords = 10 * MaxRanges

// flags are those of a record, of which each holds for a network of its own.
type flags struct {
	Anonymous        bool `maxminddb:"is_anonymous"`
	VPN              bool `maxminddb:"is_anonymous_vpn"`
	Hosting          bool `maxminddb:"is_hosting_provider"`
	Proxy            bool `maxminddb:"is_public_proxy"`
	ResidentialProxy bool `maxminddb:"is_residential_proxy"`
	Tor              bool `maxminddb:"is_tor_exit_node"`
}

// has reports whether the flag of a network's name is set. The names are those that package geo gives; for a
// network of another name, whatever is anonymous counts.
func (f flags) has(network string) bool {
	switch network {
	case "tor":
		return f.Tor
	case "vpn":
		return f.VPN
	case "proxy":
		return f.Proxy
	case "residential-proxy":
		return f.ResidentialProxy
	case "hosting":
		return f.Hosting
	}
	return f.Anonymous
}

// readAnonymousIP reads a database into memory, as its index stands at its end.
func readAnonymousIP(from *bufio.Reader, to *adder) error {
	data, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	db, err := maxminddb.OpenBytes(data)
	if err != nil {
		return fmt.Errorf("it is neither text nor a whole database: %w", err)
	}
	defer db.Close()
	if kind := db.Metadata.DatabaseType; !strings.Contains(kind, "Anonymous") {
		return fmt.Errorf("it is a database of the type %s, and not Anonymous-IP", quote(kind))
	}
	seen := 0
	for found := range db.Networks() {
		if seen++; seen > maxRecords {
			return ErrTooLong
		}
		var record flags
		if err := errors.Join(found.Err(), found.Decode(&record)); err != nil {
			return fmt.Errorf("the database is damaged: %w", err)
		}
		if !record.has(to.network) {
			continue
		}
		if err := to.prefix(unmapped(found.Prefix())); err != nil {
			return err
		}
	}
	return nil
}

// unmapped is a range of IPv4 that stands among those of IPv6.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}
