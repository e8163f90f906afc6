package geo

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oschwald/geoip2-golang/v2"

	"github.com/wikiveil/wikiveil/internal/followed"
)

// source is one database file with the last good reader of it.
type source struct {
	kind, path string
	try        func(*geoip2.Reader, netip.Addr) error
	log        *slog.Logger

	good atomic.Pointer[loaded]

	mu   sync.Mutex // guards what follows
	file followed.File
	err  error
}

type loaded struct {
	*geoip2.Reader
	built time.Time
}

// maxDatabase is far above what any has.
const maxDatabase = 4 << 30

// Status tells of one database, for metrics.
type Status struct {
	Kind  string    // ASN, City or Anonymous-IP
	Built time.Time // when its maker built the database that is in use
	Err   error     // why the file's present content is not in use; nil if it is
}

// Status tells of each configured database.
func (db *DB) Status() []Status {
	if db == nil {
		return nil
	}
	var all []Status
	for _, s := range db.sources() {
		s.mu.Lock()
		all = append(all, Status{Kind: s.kind, Built: s.good.Load().built, Err: s.err})
		s.mu.Unlock()
	}
	return all
}

func openSource(kind, path string, try func(*geoip2.Reader, netip.Addr) error, log *slog.Logger) (*source, error) {
	s := &source{kind: kind, path: path, try: try, log: log, file: followed.File{Path: path, Most: maxDatabase}}
	data, _, err := s.file.Read()
	if err = s.use(data, err); err != nil {
		return nil, fmt.Errorf("opening the %s database: %w; put a good copy there, or take the option out to go without", kind, err)
	}
	return s, nil
}

func (s *source) reader() *geoip2.Reader {
	if s == nil {
		return nil
	}
	return s.good.Load().Reader
}

// refresh reads the file if it changed, and returns whether a new one is in use and
// what is wrong with the present one. A broken file leaves the last good reader.
func (s *source) refresh() (fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, changed, err := s.file.Read()
	if err == nil && !changed {
		return false, s.err
	}
	old := s.err
	if s.err = s.use(data, err); s.err == nil {
		s.log.Info("new database in use", "kind", s.kind, "built", s.good.Load().built)
	} else if old == nil || old.Error() != s.err.Error() {
		s.log.Error("database is broken, the last good one stays in use", "kind", s.kind, "error", s.err)
	}
	return s.err == nil, s.err
}

// use puts what was read in use.
func (s *source) use(data []byte, err error) error {
	if err != nil {
		return err
	}
	reader, err := s.parse(data)
	if err != nil {
		return err
	}
	s.good.Store(&loaded{reader, reader.Metadata().BuildTime()})
	return nil
}

// parse makes a reader and tries it on addresses all over the space: a file of another
// kind or with a damaged part should not get past.
func (s *source) parse(data []byte) (*geoip2.Reader, error) {
	reader, err := geoip2.OpenBytes(data)
	if unknown, ok := errors.AsType[geoip2.UnknownDatabaseTypeError](err); ok {
		return nil, fmt.Errorf("%s holds a database of the unknown type %q", s.path, unknown.DatabaseType)
	} else if err != nil {
		return nil, fmt.Errorf("%s is not a whole database: %w", s.path, err)
	}
	for i := range 256 {
		addrs := []netip.Addr{netip.AddrFrom4([4]byte{byte(i), 0, 1, 1})}
		if reader.Metadata().IPVersion == 6 {
			addrs = append(addrs, netip.AddrFrom16([16]byte{0x20 | byte(i>>7), byte(i << 1), 1}))
		}
		for _, addr := range addrs {
			err := s.try(reader, addr)
			if wrong, ok := errors.AsType[geoip2.InvalidMethodError](err); ok {
				return nil, fmt.Errorf("%s holds a %s database, not one of the kind %s", s.path, wrong.DatabaseType, s.kind)
			} else if err != nil {
				return nil, fmt.Errorf("%s is damaged inside: %w", s.path, err)
			}
		}
	}
	return reader, nil
}

func tryASN(r *geoip2.Reader, addr netip.Addr) error {
	_, err := r.ASN(addr)
	return err
}

func tryCity(r *geoip2.Reader, addr netip.Addr) error {
	_, err := r.City(addr)
	return err
}

func tryAnonymous(r *geoip2.Reader, addr netip.Addr) error {
	_, err := r.AnonymousIP(addr)
	if _, wrong := errors.AsType[geoip2.InvalidMethodError](err); wrong {
		if _, plusErr := r.AnonymousPlus(addr); plusErr == nil {
			return nil
		}
	}
	return err
}
