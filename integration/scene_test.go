//go:build integration

package integration

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/internal/trustedclock"
	"github.com/wikiveil/wikiveil/masking"
)

// clientMask is the directive as an operator of MediaWiki writes it.
const clientMask = "client_mask {\nnetworks xff\n}\n"

// scene is an edge before a wiki of its own, and all that visitors were answered.
type scene struct {
	*edge
	wiki *wiki
	seen *transcript
}

// setScene starts an edge before a new copy of the wiki with more settings in PHP.
func setScene(t *testing.T, f front, config edgeConfig, settings string) *scene {
	t.Helper()
	w := newWiki(t, f.wiki, settings)
	return &scene{edge: startEdge(t, f.config(t, w, config)), wiki: w, seen: new(transcript)}
}

// visit returns a new visitor from an address.
func (s *scene) visit(address string) *visitor { return newVisitor(s.edge, address, s.seen) }

// visitAdmin returns the administrator, logged in.
func (s *scene) visitAdmin(t *testing.T, address string) *visitor {
	t.Helper()
	v := s.visit(address)
	v.login(t)
	return v
}

// masker makes the masks of the edge's current epoch, which is in the edge's storage,
// as `wikiveil mask` does.
func (e *edge) masker(t *testing.T) *masking.Masker {
	t.Helper()
	keeper := masking.NewKeeper(masking.KeeperConfig{Storage: &certmagic.FileStorage{Path: e.dir + "/storage"}, Clock: trustedclock.New()})
	ring, err := keeper.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	masker, err := ring.Active(time.Now(), 0)[0].Masker("", masking.DefaultV6Prefix)
	if err != nil {
		t.Fatal(err)
	}
	return masker
}

// maskOf returns the mask of a client's address.
func (e *edge) maskOf(t *testing.T, address string) netip.Addr {
	t.Helper()
	mask, err := e.masker(t).Client(netip.MustParseAddr(address))
	if err != nil {
		t.Fatal(err)
	}
	return mask
}

// maskOfRange returns the network mask of a CIDR range.
func (e *edge) maskOfRange(t *testing.T, cidr string) netip.Addr {
	t.Helper()
	mask, err := e.masker(t).Range(netip.MustParsePrefix(cidr))
	if err != nil {
		t.Fatal(err)
	}
	return mask
}
