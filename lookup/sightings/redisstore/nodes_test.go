package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/redisclient"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/lookup/sightings/redisstore"
	"github.com/wikiveil/wikiveil/lookup/sightings/storetest"
)

// Case 46: Sentinels.
func TestCase46SentinelFailover(t *testing.T) {
	servers := redistest.StartSentinels(t)
	testFailover(t, servers, redisclient.Config{URLs: servers.URLs, Master: "wiki", Replicas: 1, Timeout: time.Second})
}

// testFailover: what a replica had is there when it takes the master's place, and nothing that was known to be stored counts
// as stored any more.
func testFailover(t *testing.T, servers *redistest.Sentinels, config redisclient.Config) {
	t.Helper()
	s := open(t, redisstore.Config{Redis: config})
	testutil.Eventually(t, "the replica has a write", func() bool { return appendOne(s, 1) == nil })
	before := s.Incarnation()
	servers.Master.Kill()
	// There is no other replica, so that nothing counts as stored, but the records are read from the new master.
	testutil.Eventually(t, "the replica is the master", func() bool {
		err := appendOne(s, 2)
		if err == nil {
			t.Fatal("a write without a replica counts")
		}
		return s.Incarnation() != before
	})
	testutil.Eventually(t, "the record is read", func() bool {
		found, err := s.Find(t.Context(), []sightings.Ref{{Part: part, Key: storetest.Key(1)}})
		return err == nil && len(found) > 0
	})
}

// Case 46: a Cluster, with all that the store does.
func TestCase46Cluster(t *testing.T) {
	nodes := redistest.StartCluster(t)
	config := redisclient.Config{URLs: []string{nodes[1].URL(), nodes[0].URL()}, Cluster: true, Trust: true}
	storetest.Test(t, func(t *testing.T) sightings.Store {
		return open(t, redisstore.Config{Redis: config, Prefix: t.Name() + ":"})
	})
	s := open(t, redisstore.Config{Redis: config})
	if err := appendOne(s, 1); err != nil {
		t.Fatal(err)
	}
	var holder *redistest.Node
	for _, n := range nodes {
		if n.Command("CLUSTER", "COUNTKEYSINSLOT", n.Command("CLUSTER", "KEYSLOT", redisstore.DefaultPrefix)) != "0" {
			holder = n
		}
	}
	// The slot moves to another node: the store follows.
	slot := holder.Command("CLUSTER", "KEYSLOT", redisstore.DefaultPrefix)
	to := nodes[0]
	if to == holder {
		to = nodes[1]
	}
	if n := holder.Command("CLUSTER", "COUNTKEYSINSLOT", slot); n != "4" {
		t.Errorf("%s keys of 4 lie on one node", n)
	}
	migrate(t, nodes, holder, to, slot)
	testutil.Eventually(t, "the store finds the other node", func() bool { return appendOne(s, 2) == nil })
	if count(t, s, 1) == 0 || count(t, s, 2) == 0 {
		t.Error("a record is lost")
	}
	to.Kill()
	if err := appendOne(s, 3); !errors.Is(err, sightings.ErrUnavailable) {
		t.Errorf("without the node: %v", err)
	}
}

func migrate(t *testing.T, nodes []*redistest.Node, from, to *redistest.Node, slot string) {
	t.Helper()
	fromID, toID := from.Command("CLUSTER", "MYID"), to.Command("CLUSTER", "MYID")
	to.Command("CLUSTER", "SETSLOT", slot, "IMPORTING", fromID)
	from.Command("CLUSTER", "SETSLOT", slot, "MIGRATING", toID)
	from.MigrateSlot(to, slot)
	for _, n := range []*redistest.Node{to, from} {
		n.Command("CLUSTER", "SETSLOT", slot, "NODE", toID)
	}
	for _, n := range nodes {
		if n != from && n != to {
			n.Command("CLUSTER", "SETSLOT", slot, "NODE", toID)
		}
	}
}
