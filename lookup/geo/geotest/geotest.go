// Package geotest makes small databases in MaxMind's format, for tests.
package geotest

import (
	"bytes"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// The kinds of databases.
const (
	ASN       = "GeoLite2-ASN"
	City      = "GeoLite2-City"
	Anonymous = "GeoIP2-Anonymous-IP"
)

// Networks are a database's records by CIDR range.
type Networks map[string]mmdbtype.DataType

// Organization is a record of an ASN database.
func Organization(asn uint32, name string) mmdbtype.DataType {
	return mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(asn), "autonomous_system_organization": mmdbtype.String(name)}
}

// Place is a record of a City database, of GeoNames ids.
func Place(country, region, city uint32) mmdbtype.DataType {
	id := func(n uint32) mmdbtype.Map { return mmdbtype.Map{"geoname_id": mmdbtype.Uint32(n)} }
	return mmdbtype.Map{"country": id(country), "subdivisions": mmdbtype.Slice{id(region)}, "city": id(city)}
}

// NamedPlace is a record of DB-IP's City Lite: region and city have names alone.
func NamedPlace(country uint32, region, city string) mmdbtype.DataType {
	name := func(s string) mmdbtype.Map {
		return mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(s)}}
	}
	record := mmdbtype.Map{"country": mmdbtype.Map{"geoname_id": mmdbtype.Uint32(country)}}
	if region != "" {
		record["subdivisions"] = mmdbtype.Slice{name(region)}
	}
	if city != "" {
		record["city"] = name(city)
	}
	return record
}

// Anonymity is a record of an Anonymous-IP database with flags, such as "is_tor_exit_node", that hold.
func Anonymity(flags ...string) mmdbtype.DataType {
	record := make(mmdbtype.Map, len(flags))
	for _, flag := range flags {
		record[mmdbtype.String(flag)] = mmdbtype.Bool(true)
	}
	return record
}

// Database makes a database that was built at a time.
func Database(t testing.TB, kind string, built time.Time, networks Networks) []byte {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: kind, BuildEpoch: built.Unix(), IncludeReservedNetworks: true, RecordSize: 24,
	})
	if err != nil {
		t.Fatal(err)
	}
	// The wider first: what is inserted later counts.
	narrowLast := func(a, b string) int {
		return netip.MustParsePrefix(a).Bits() - netip.MustParsePrefix(b).Bits()
	}
	for _, cidr := range slices.SortedFunc(maps.Keys(networks), narrowLast) {
		_, network, err := net.ParseCIDR(cidr)
		if err == nil {
			err = tree.Insert(network, networks[cidr])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var data bytes.Buffer
	if _, err := tree.WriteTo(&data); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

// Write makes a database file and returns its path. The file is renamed into place, as a database is updated.
func Write(t testing.TB, path, kind string, networks Networks) string {
	t.Helper()
	if err := os.WriteFile(path+".new", Database(t, kind, time.Now(), networks), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}
