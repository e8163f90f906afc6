// Package geo tells where a client address belongs: its organisation, country,
// region and city, and the kinds of anonymous networks it is in, from databases in
// MaxMind's format (GeoLite2, GeoIP2, DB-IP) on the operator's disk. Nothing is ever asked of the network.
//
// Each database is optional. [Open] refuses one that is missing, damaged or of another kind; later, a
// file that changes is read anew, and one that turns out broken leaves the last good one in use.
// Databases are read into memory (some 10 MB for GeoLite2's ASN, 60 MB for its City), not mapped: a file that is
// overwritten or cut in place would otherwise kill the process.
package geo

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oschwald/geoip2-golang/v2"

	"github.com/wikiveil/wikiveil/internal/followed"
)

// DefaultPoll is how often the files are looked at for a change.
const DefaultPoll = time.Minute

// AnonymousNames are the names that an Anonymous-IP database gives.
var AnonymousNames = []string{"tor", "vpn", "proxy", "residential-proxy", "hosting", "anonymous"}

// Config says which databases there are.
type Config struct {
	// ASN is the path of an ASN (or ISP) database, City of a City (or Enterprise, or
	// Country) one, Anonymous of an Anonymous-IP (or Anonymous-Plus) one. Empty means none.
	ASN, City, Anonymous string
	// Poll is how often the files are looked at; 0 means [DefaultPoll].
	Poll time.Duration
	// Log is told of new and of broken files; nil means nobody is.
	Log *slog.Logger
}

// Info is what the databases know of an address. What they don't know is zero.
type Info struct {
	ASN uint32 // number of the autonomous system
	Org string // its organisation's name
	// Allocation is the widest network around the address of which the ASN database says the same.
	Allocation netip.Prefix
	// Country, Region and City are GeoNames ids, or numbers over 2³¹ made of the names where the
	// database has no ids, as DB-IP's; Region is the largest subdivision. They tell places of one database apart.
	Country, Region, City uint32
	// Networks are the anonymous networks the address is in, of the names
	// tor, vpn, proxy, residential-proxy, hosting and, where none of these is known, anonymous.
	Networks []string
}

// DB is a set of open databases. It is safe for concurrent use; a nil DB knows nothing.
type DB struct {
	asn, city, anonymous *source // nil where not configured

	generation atomic.Uint64
	stop       context.CancelFunc
	done       sync.WaitGroup
}

// Open reads the databases and keeps watching their files until Close.
func Open(config Config) (*DB, error) {
	log := config.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	db := &DB{stop: func() {}}
	for _, s := range []struct {
		to   **source
		kind string
		path string
		try  func(*geoip2.Reader, netip.Addr) error
	}{
		{&db.asn, "ASN", config.ASN, tryASN},
		{&db.city, "City", config.City, tryCity},
		{&db.anonymous, "Anonymous-IP", config.Anonymous, tryAnonymous},
	} {
		if s.path == "" {
			continue
		}
		src, err := openSource(s.kind, s.path, s.try, log)
		if err != nil {
			return nil, err
		}
		*s.to = src
	}
	if len(db.sources()) > 0 {
		db.watch(cmp.Or(config.Poll, DefaultPoll))
	}
	return db, nil
}

func (db *DB) watch(every time.Duration) {
	ctx, stop := context.WithCancel(context.Background())
	db.stop = stop
	db.done.Go(func() {
		followed.Every(ctx, every, func(context.Context) error { return db.Refresh() }, nil) // what is wrong is logged
	})
}

// Refresh looks now whether files changed, as happens at each poll. The error tells of files whose
// present content is not in use.
func (db *DB) Refresh() error {
	var errs []error
	for _, s := range db.sources() {
		fresh, err := s.refresh()
		if fresh {
			db.generation.Add(1)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Generation counts the new files that were put in use since Open: what was remembered of
// look-ups before it changed is old. A nil DB's is 0.
func (db *DB) Generation() uint64 {
	if db == nil {
		return 0
	}
	return db.generation.Load()
}

// Close stops watching. Look-ups still work.
func (db *DB) Close() error {
	if db != nil {
		db.stop()
		db.done.Wait()
	}
	return nil
}

func (db *DB) sources() []*source {
	var all []*source
	for _, s := range []*source{db.asn, db.city, db.anonymous} {
		if s != nil {
			all = append(all, s)
		}
	}
	return all
}

// Lookup returns what the databases know of an address. It never fails: what can't be read is not known.
func (db *DB) Lookup(addr netip.Addr) Info {
	info := db.Networks(addr)
	addr = addr.Unmap().WithZone("")
	if db == nil || !addr.IsValid() {
		return info
	}
	if r := db.city.reader(); r != nil {
		if city, err := r.City(addr); err == nil {
			info.Country, info.Region, info.City = places(city)
		}
	}
	return info
}

// Networks returns what is known of an address but its place, which costs most to look up.
func (db *DB) Networks(addr netip.Addr) Info {
	var info Info
	addr = addr.Unmap().WithZone("")
	if db == nil || !addr.IsValid() {
		return info
	}
	if r := db.asn.reader(); r != nil {
		if asn, err := r.ASN(addr); err == nil && asn.HasData() {
			info.ASN, info.Org = id(asn.AutonomousSystemNumber), asn.AutonomousSystemOrganization
			if asn.Network.Contains(addr) {
				info.Allocation = asn.Network.Masked()
			}
		}
	}
	if r := db.anonymous.reader(); r != nil {
		info.Networks = anonymousNetworks(r, addr)
	}
	return info
}

func anonymousNetworks(r *geoip2.Reader, addr netip.Addr) []string {
	a, err := r.AnonymousIP(addr)
	if err != nil {
		plus, err := r.AnonymousPlus(addr)
		if err != nil {
			return nil
		}
		a = &geoip2.AnonymousIP{
			IsAnonymous: plus.IsAnonymous, IsAnonymousVPN: plus.IsAnonymousVPN, IsHostingProvider: plus.IsHostingProvider,
			IsPublicProxy: plus.IsPublicProxy, IsResidentialProxy: plus.IsResidentialProxy, IsTorExitNode: plus.IsTorExitNode,
		}
	}
	var names []string
	for _, n := range []struct {
		in   bool
		name string
	}{
		{a.IsTorExitNode, "tor"},
		{a.IsAnonymousVPN, "vpn"},
		{a.IsPublicProxy, "proxy"},
		{a.IsResidentialProxy, "residential-proxy"},
		{a.IsHostingProvider, "hosting"},
	} {
		if n.in {
			names = append(names, n.name)
		}
	}
	if names == nil && a.IsAnonymous {
		names = []string{"anonymous"}
	}
	return names
}

// id narrows a number that a broken database may give any size.
func id(n uint) uint32 {
	if n > 1<<32-1 {
		return 0
	}
	return uint32(n)
}
