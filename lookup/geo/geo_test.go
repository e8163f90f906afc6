package geo_test

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter/mmdbtype"
	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/lookup/geo"
	"github.com/wikiveil/wikiveil/lookup/geo/geotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func place(country, region, city uint32) mmdbtype.Map {
	m := mmdbtype.Map{"country": mmdbtype.Map{"geoname_id": mmdbtype.Uint32(country)}}
	if region != 0 {
		m["subdivisions"] = mmdbtype.Slice{
			mmdbtype.Map{"geoname_id": mmdbtype.Uint32(region)},
			mmdbtype.Map{"geoname_id": mmdbtype.Uint32(region + 1)},
		}
	}
	if city != 0 {
		m["city"] = mmdbtype.Map{"geoname_id": mmdbtype.Uint32(city)}
	}
	return m
}

func flags(names ...string) mmdbtype.Map {
	m := mmdbtype.Map{"is_anonymous": mmdbtype.Bool(true)}
	for _, n := range names {
		m[mmdbtype.String(n)] = mmdbtype.Bool(true)
	}
	return m
}

var built = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func write(t testing.TB, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func asnDatabase(t testing.TB) []byte {
	return geotest.Database(t, "GeoLite2-ASN", built, geotest.Networks{
		"71.80.0.0/15":    geotest.Organization(20115, "Charter Communications, Inc"),
		"203.0.113.0/24":  geotest.Organization(64500, "Example Net"),
		"2001:db8::/32":   geotest.Organization(64501, "Example Six"),
		"2001:db8:1::/48": geotest.Organization(64502, "Example Customer"),
	})
}

func TestLookup(t *testing.T) {
	dir := t.TempDir()
	db, err := geo.Open(geo.Config{
		ASN: write(t, filepath.Join(dir, "asn.mmdb"), asnDatabase(t)),
		City: write(t, filepath.Join(dir, "city.mmdb"), geotest.Database(t, "GeoLite2-City", built, geotest.Networks{
			"71.80.0.0/16":   place(6252001, 5128638, 5128581),
			"203.0.113.0/24": place(2077456, 0, 0),
		})),
		Anonymous: write(t, filepath.Join(dir, "anon.mmdb"), geotest.Database(t, "GeoIP2-Anonymous-IP", built, geotest.Networks{
			"71.80.0.9/32":    flags("is_tor_exit_node", "is_hosting_provider"),
			"203.0.113.8/29":  flags("is_anonymous_vpn"),
			"203.0.113.16/29": flags(),
			"2001:db8:1::/64": flags("is_public_proxy", "is_residential_proxy"),
		})),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	charter := geo.Info{ASN: 20115, Org: "Charter Communications, Inc", Allocation: netip.MustParsePrefix("71.80.0.0/15")}
	with := func(i geo.Info, country, region, city uint32, networks ...string) geo.Info {
		i.Country, i.Region, i.City, i.Networks = country, region, city, networks
		return i
	}
	example := geo.Info{ASN: 64500, Org: "Example Net", Allocation: netip.MustParsePrefix("203.0.113.0/24")}
	tests := []struct {
		name, addr string
		want       geo.Info
	}{
		{"first of the allocation", "71.80.0.0", with(charter, 6252001, 5128638, 5128581)},
		{"last of the allocation", "71.81.255.255", charter},
		{"just before", "71.79.255.255", geo.Info{}},
		{"just after", "71.82.0.0", geo.Info{}},
		{"mapped", "::ffff:71.80.1.1", with(charter, 6252001, 5128638, 5128581)},
		{"two kinds of network", "71.80.0.9", with(charter, 6252001, 5128638, 5128581, "tor", "hosting")},
		{"country only, vpn", "203.0.113.9", with(example, 2077456, 0, 0, "vpn")},
		{"anonymous, kind not told", "203.0.113.17", with(example, 2077456, 0, 0, "anonymous")},
		{"IPv6, narrower network inside", "2001:db8:1::1", geo.Info{ASN: 64502, Org: "Example Customer",
			Allocation: netip.MustParsePrefix("2001:db8:1::/48"), Networks: []string{"proxy", "residential-proxy"}}},
		{"IPv6 with a zone", "2001:db8:1:1::1%eth0", geo.Info{ASN: 64502, Org: "Example Customer", Allocation: netip.MustParsePrefix("2001:db8:1::/48")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := db.Lookup(netip.MustParseAddr(tt.addr))
			if got.ASN != tt.want.ASN || got.Org != tt.want.Org || got.Allocation != tt.want.Allocation ||
				got.Country != tt.want.Country || got.Region != tt.want.Region || got.City != tt.want.City ||
				!slices.Equal(got.Networks, tt.want.Networks) {
				t.Fatalf("Lookup = %+v\nwant     %+v", got, tt.want)
			}
		})
	}
	if got := db.Lookup(netip.Addr{}); got.ASN != 0 || got.Allocation.IsValid() {
		t.Errorf("no address: %+v", got)
	}
}

// Case 19: DB-IP's City Lite has names of regions and cities, and no ids.
func TestCase19PlacesByName(t *testing.T) {
	db, err := geo.Open(geo.Config{City: write(t, filepath.Join(t.TempDir(), "dbip.mmdb"), geotest.Database(t, "DBIP-City-Lite", built, geotest.Networks{
		"198.51.100.0/28":   geotest.NamedPlace(6252001, "Illinois", "Springfield"),
		"198.51.100.16/28":  geotest.NamedPlace(6252001, "illinois", "Springfield "),
		"198.51.100.32/28":  geotest.NamedPlace(6252001, "Illinois", "Chicago"),
		"198.51.100.48/28":  geotest.NamedPlace(6252001, "Ohio", "Springfield"),
		"198.51.100.64/28":  geotest.NamedPlace(2077456, "Illinois", "Springfield"),
		"198.51.100.80/28":  geotest.NamedPlace(6252001, "Illinois", ""),
		"198.51.100.96/28":  geotest.NamedPlace(6252001, "", "Springfield"),
		"198.51.100.112/28": geotest.Place(6252001, 5, 6),
	}))})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	at := func(host int) geo.Info { return db.Lookup(netip.AddrFrom4([4]byte{198, 51, 100, byte(host)})) }
	first := at(1)
	if first.Country != 6252001 || first.Region < 1<<31 || first.City < 1<<31 {
		t.Fatalf("got %+v", first)
	}
	for _, tc := range []struct {
		host                 int
		sameRegion, sameCity bool
		anyRegion, anyCity   bool
	}{
		{17, true, true, true, true}, {33, true, false, true, true}, {49, false, false, true, true}, {81, true, false, true, false}, {97, false, false, false, true}, {113, false, false, true, true},
	} {
		got := at(tc.host)
		if (got.Region == first.Region) != tc.sameRegion || (got.City == first.City) != tc.sameCity || (got.Region != 0) != tc.anyRegion || (got.City != 0) != tc.anyCity {
			t.Errorf("%d: %+v beside %+v", tc.host, got, first)
		}
	}
	if got := at(113); got.Region != 5 || got.City != 6 {
		t.Errorf("ids count where there are any: %+v", got)
	}
	if got := at(200); got.Region != 0 || got.City != 0 || got.Country != 0 {
		t.Errorf("nowhere: %+v", got)
	}
}

func TestNothingConfigured(t *testing.T) {
	db, err := geo.Open(geo.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, db := range []*geo.DB{db, nil} {
		if got := db.Lookup(netip.MustParseAddr("203.0.113.9")); got.ASN != 0 || got.Networks != nil || db.Status() != nil {
			t.Errorf("Lookup = %+v", got)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAnonymousPlus(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "anon.mmdb"), geotest.Database(t, "GeoIP-Anonymous-Plus", built,
		geotest.Networks{"203.0.113.0/24": flags("is_anonymous_vpn")}))
	db, err := geo.Open(geo.Config{Anonymous: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if got := db.Lookup(netip.MustParseAddr("203.0.113.9")).Networks; !slices.Equal(got, []string{"vpn"}) {
		t.Errorf("Networks = %v", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	good := asnDatabase(t)
	wrong := geotest.Database(t, "GeoLite2-City", built, geotest.Networks{"203.0.113.0/24": place(1, 2, 3)})
	odd := geotest.Database(t, "Weather", built, geotest.Networks{"203.0.113.0/24": place(1, 2, 3)})
	tests := []struct {
		name string
		data []byte // nil: no file
		want string
	}{
		{"missing", nil, "no such file"},
		{"empty", []byte{}, "not a whole database"},
		{"garbage", bytes.Repeat([]byte("garbage "), 1000), "not a whole database"},
		{"cut short", good[:len(good)/2], "not a whole database"},
		{"a City database", wrong, "holds a GeoLite2-City database, not one of the kind ASN"},
		{"an unknown kind", odd, `unknown type "Weather"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "asn.mmdb")
			if tt.data != nil {
				write(t, path, tt.data)
			}
			_, err := geo.Open(geo.Config{ASN: path})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "put a good copy there") {
				t.Fatalf("error %v, want %q and what to do in it", err, tt.want)
			}
		})
	}
}

func TestHotSwap(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "asn.mmdb"), asnDatabase(t))
	db, err := geo.Open(geo.Config{ASN: path, Poll: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	addr := netip.MustParseAddr("203.0.113.9")
	status := func() geo.Status { return db.Status()[0] }
	if s := status(); s.Kind != "ASN" || !s.Built.Equal(built) || s.Err != nil {
		t.Fatalf("Status = %+v", s)
	}

	write(t, path, []byte("broken"))
	testutil.Eventually(t, "the broken file is noticed", func() bool {
		return status().Err != nil && strings.Contains(status().Err.Error(), "not a whole database")
	})
	if got := db.Lookup(addr); got.ASN != 64500 || !status().Built.Equal(built) {
		t.Fatalf("the last good database is lost: %+v", got)
	}

	newer := built.Add(24 * time.Hour)
	replace(t, path, geotest.Database(t, "GeoLite2-ASN", newer, geotest.Networks{"203.0.113.0/24": geotest.Organization(64777, "Successor")}))
	testutil.Eventually(t, "the new file is in use", func() bool { return db.Lookup(addr).ASN == 64777 })
	if s := status(); s.Err != nil || !s.Built.Equal(newer) {
		t.Fatalf("Status = %+v", s)
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the missing file is noticed", func() bool { return status().Err != nil })
	if got := db.Lookup(addr); got.Org != "Successor" {
		t.Fatalf("the last good database is lost: %+v", got)
	}
}

// replace does as updaters do: a new file takes the old one's name.
func replace(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.Rename(write(t, path+".new", data), path); err != nil {
		t.Fatal(err)
	}
}

func TestLookupWhileSwapping(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "asn.mmdb"), asnDatabase(t))
	db, err := geo.Open(geo.Config{ASN: path, Poll: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	addr := netip.MustParseAddr("203.0.113.9")
	for i := range uint32(20) {
		number := 70000 + i
		replace(t, path, geotest.Database(t, "GeoLite2-ASN", built, geotest.Networks{"203.0.113.0/24": geotest.Organization(number, strings.Repeat("x", int(i+1)))}))
		testutil.Eventually(t, "the new number", func() bool {
			got := db.Lookup(addr)
			if got.ASN == 0 {
				t.Fatal("a moment without a database")
			}
			return got.ASN == number
		})
	}
}

func FuzzDatabase(f *testing.F) {
	f.Add(asnDatabase(f))
	f.Add([]byte("\xab\xcd\xefMaxMind.com"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := write(t, filepath.Join(t.TempDir(), "asn.mmdb"), data)
		db, err := geo.Open(geo.Config{ASN: path})
		if err != nil {
			return
		}
		defer db.Close()
		db.Lookup(netip.MustParseAddr("203.0.113.9"))
		db.Lookup(netip.MustParseAddr("2001:db8::1"))
	})
}

// go test -run '^$' -bench . -benchmem ./lookup/geo
func BenchmarkLookup(b *testing.B) {
	db, err := geo.Open(geo.Config{ASN: write(b, filepath.Join(b.TempDir(), "asn.mmdb"), asnDatabase(b))})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	addr := netip.MustParseAddr("71.80.3.4")
	b.ReportAllocs()
	for b.Loop() {
		db.Lookup(addr)
	}
}
