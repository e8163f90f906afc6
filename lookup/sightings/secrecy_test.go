package sightings_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/lookup/sightings/storetest"
)

var secretAddrs = []string{"71.80.213.119", "198.51.100.7", "203.0.113.251", "2001:db8:f00d:4711:89ab:cdef:1234:5678", "2001:db8:77:88:fedc:4321:bead:9"}

// forms are the ways in which bytes can hold an address, or a mask.
func forms(text string) map[string][]byte {
	addr := netip.MustParseAddr(text)
	raw, full := addr.AsSlice(), addr.As16()
	f := map[string][]byte{
		"text":          []byte(addr.String()),
		"expanded text": []byte(addr.StringExpanded()),
		"binary":        raw,
		"mapped":        full[:],
		"hex":           []byte(hex.EncodeToString(raw)),
		"capital hex":   []byte(strings.ToUpper(hex.EncodeToString(raw))),
	}
	reversed := bytes.Clone(raw)
	for i, b := range raw {
		reversed[len(raw)-1-i] = b
	}
	f["reversed"] = reversed
	if addr.Is6() {
		f["network half"] = raw[:8]
		f["host half"] = raw[8:]
	}
	return f
}

// search returns in which files of a directory, and how, something is found.
func search(t *testing.T, dir string, needles map[string][]byte) (found []string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		files++
		for form, needle := range needles {
			if bytes.Contains(data, needle) {
				found = append(found, fmt.Sprintf("%s as %s", filepath.Base(path), form))
			}
		}
		return err
	})
	if err != nil || files == 0 {
		t.Fatalf("searching %s: %d files, %v", dir, files, err)
	}
	return found
}

// TestNoAddressOnDisk searches all that the stores write for the clients' addresses, their masks and
// their organisations.
func TestNoAddressOnDisk(t *testing.T) {
	id, err := seal.GenerateIdentity()
	if err != nil {
		t.Fatal(err)
	}
	recipients, err := seal.NewSealer(seal.Any, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	type place struct {
		dir   string
		store sightings.Store
		flush func() // brings all to disk
	}
	stores := map[string]func(*testing.T) place{
		"bolt": func(t *testing.T) place {
			dir := t.TempDir()
			s := openBolt(t, dir)
			return place{dir, s, func() { s.Close() }}
		},
		"redis": func(t *testing.T) place {
			server := redistest.Start(t, redistest.Durable...)
			return place{server.Dir, openRedis(t, server), func() { server.Command("SAVE") }} // a dump beside the append-only file
		},
	}
	for name, open := range stores {
		for kind, sealer := range map[string]*seal.Sealer{"sealed locally": seal.NewLocal(), "sealed to a recipient": recipients, "not kept": nil} {
			t.Run(name+", "+kind, func(t *testing.T) {
				p := open(t)
				w := newWorld(t, p.store, func(c *sightings.Config) { c.Geo, c.Sealer = testGeo(t), sealer })
				for range 3 {
					for _, a := range secretAddrs {
						w.mustSee(a)
						w.Record(w.sighting(a))
					}
					w.WriteAgain()
				}
				w.Close()
				p.flush()
				for _, a := range secretAddrs {
					if found := search(t, p.dir, forms(a)); found != nil {
						t.Errorf("%s: %v", a, found)
					}
					if found := search(t, p.dir, forms(w.mask(a).String())); found != nil {
						t.Errorf("the mask of %s: %v", a, found)
					}
				}
				if found := search(t, p.dir, map[string][]byte{"name": []byte("Charter"), "epoch's secret": secret(1)}); found != nil {
					t.Error(found)
				}
			})
		}
		// The search itself: what is stored without the recorder's encryption, it finds.
		t.Run(name+", baseline", func(t *testing.T) {
			p := open(t)
			var entries []sightings.Entry
			for _, a := range secretAddrs {
				for _, needle := range forms(a) {
					entries = append(entries, storetest.Entry(sightings.Part{Day: 1, Epoch: "ab"}, len(entries), "<"+string(needle)+">"))
				}
			}
			if err := p.store.Append(context.Background(), entries); err != nil {
				t.Fatal(err)
			}
			p.flush()
			for _, a := range secretAddrs {
				for form, needle := range forms(a) {
					if found := search(t, p.dir, map[string][]byte{form: needle}); found == nil {
						t.Errorf("%s as %s is stored openly and not found", a, form)
					}
				}
			}
		})
	}
}
