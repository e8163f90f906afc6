package sightings_test

import (
	"context"
	"errors"
	"testing"

	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/masking"
)

func TestShownNetworksCanBeLookedUp(t *testing.T) {
	eachStore(t, func(t *testing.T, open func() sightings.Store) {
		ctx := context.Background()
		w := newWorld(t, open(), func(c *sightings.Config) { c.Geo = testGeo(t) })
		w.mustSee("198.51.100.3") // in the named tor, the looked-up hosting and an allocation of a /24
		r := w.mustLook("198.51.100.3")
		if _, err := w.LookNetwork(ctx, r.Ranges[0].Mask); !errors.Is(err, sightings.ErrUnknown) {
			t.Fatalf("before it was shown: %v", err)
		}
		if err := w.RememberNetworks(ctx, r); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name string
			want sightings.NetworkRecord
		}{
			{"range wider than the allocation", sightings.NetworkRecord{Network: r.Ranges[0]}},
			{"allocation", sightings.NetworkRecord{Network: r.Allocation, ASN: 64500, Org: "Example Hosting"}},
			{"named", sightings.NetworkRecord{Mask: r.Named[0].Mask, Name: "tor"}},
			{"looked up", sightings.NetworkRecord{Mask: r.Named[1].Mask, Name: "hosting"}},
		} {
			if tt.want.Name == "" {
				tt.want.Mask = tt.want.Network.Mask
			}
			tt.want.Epoch, tt.want.Site = r.Epoch, "wiki"
			if got, err := w.LookNetwork(ctx, tt.want.Mask); err != nil || got != tt.want {
				t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
			}
		}
		if _, err := w.LookNetwork(ctx, r.Mask); !errors.Is(err, sightings.ErrNotMask) {
			t.Errorf("a client's mask: %v", err)
		}
		if _, err := w.Look(ctx, r.Ranges[0].Mask); !errors.Is(err, sightings.ErrNotMask) {
			t.Errorf("a network mask as a client's: %v", err)
		}
	})
}

func TestShownNetworksGoWithTheirEpoch(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, openBolt(t, t.TempDir()))
	w.mustSee("203.0.113.9")
	r := w.mustLook("203.0.113.9")
	if err := w.RememberNetworks(ctx, r); err != nil {
		t.Fatal(err)
	}
	kept := []masking.Epoch{epochs(t, secret(2))[0]}
	w.kept.Store(&kept)
	if _, err := w.LookNetwork(ctx, r.Ranges[0].Mask); !errors.Is(err, sightings.ErrEpochDestroyed) {
		t.Errorf("looking up: %v", err)
	}
	if err := w.RememberNetworks(ctx, r); !errors.Is(err, sightings.ErrNotDurable) {
		t.Errorf("remembering what can't be looked up any more: %v", err)
	}
}
