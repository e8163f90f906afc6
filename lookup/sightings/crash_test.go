package sightings_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/lookup/sightings/boltstore"
	"github.com/wikiveil/wikiveil/masking"
)

const (
	crashDir   = "WIKIVEIL_TEST_CRASH_DIR"
	crashRound = "WIKIVEIL_TEST_CRASH_ROUND"

	crashes       = 20
	crashWriters  = 16
	crashSomeAcks = 300
)

// crashWriter is the process that is killed: it records new clients as fast as it can, and prints
// each address once its record is said to be durable.
func crashWriter(dir, round string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	store, err := boltstore.Open(dir)
	fail(err)
	ring, err := masking.ConfiguredRing(secret(1))
	fail(err)
	epoch := ring.Epochs()[0]
	recorder, err := sightings.New(sightings.Config{Store: store, Epochs: ring.Epochs, Sealer: seal.NewLocal(), Again: 10 * time.Millisecond})
	fail(err)
	site, err := sightings.NewSite(epoch, masking.SiteConfig{Label: "wiki", V4Ranges: masking.DefaultV4Ranges, V6Ranges: masking.DefaultV6Ranges})
	fail(err)
	masker, err := epoch.Masker("wiki", 0)
	fail(err)
	n, err := strconv.Atoi(round)
	fail(err)
	for writer := range crashWriters {
		go func() {
			for i := 0; ; i++ {
				addr := crashAddr(n, writer, i)
				mask, err := masker.Client(addr)
				fail(err)
				at := time.Now().Add(-time.Duration(i%2) * 24 * time.Hour) // two parts are written
				s := sightings.Sighting{Mask: mask, Addr: addr, Time: at, Site: site}
				fail(recorder.RecordDurably(context.Background(), s))
				os.Stdout.WriteString(addr.String() + "\n") // one system call, so lines don't mix
				recorder.Record(s)
			}
		}()
	}
	select {}
}

// crashAddr gives each sighting a client of its own: one writer's are IPv4, the others' IPv6 /64s.
func crashAddr(round, writer, i int) netip.Addr {
	if writer == 0 {
		return netip.AddrFrom4([4]byte{10, byte(round), byte(i >> 8), byte(i)})
	}
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, byte(round), byte(writer), byte(i >> 8), byte(i), 15: 1})
}

// TestKilledUnderLoad kills a writing process twenty times: all that it said was durable must be there.
func TestKilledUnderLoad(t *testing.T) {
	dir := t.TempDir()
	durable := make(map[string]bool)
	for round := range crashes {
		acks := killOne(t, dir, round)
		for _, a := range acks {
			durable[a] = true
		}
		verify(t, dir, acks, round)
	}
	all := make([]string, 0, len(durable))
	for a := range durable {
		all = append(all, a)
	}
	verify(t, dir, all, crashes)
	t.Logf("%d durable records, %d kills", len(all), crashes)
}

// killOne runs a writer, kills it in the middle of its work and returns what it said was durable.
func killOne(t *testing.T, dir string, round int) (acks []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir, fmt.Sprintf("%s=%d", crashRound, round+1))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // a line that was cut by the kill does not count
		}
		if acks = append(acks, strings.TrimSpace(line)); len(acks) == crashSomeAcks {
			time.AfterFunc(time.Duration(rand.IntN(30_000))*time.Microsecond, func() { cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); len(acks) < crashSomeAcks {
		t.Fatalf("round %d: the writer ended by itself after %d records: %v\n%s", round, len(acks), err, stderr.String())
	}
	return acks
}

func verify(t *testing.T, dir string, addrs []string, round int) {
	t.Helper()
	store, err := boltstore.Open(dir)
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	defer store.Close()
	w := newWorld(t, store)
	defer w.Close()
	w.setClock(time.Now())
	for _, a := range addrs {
		r, err := w.Look(context.Background(), w.mask(a))
		if err != nil {
			t.Fatalf("round %d: %s was durable: %v", round, a, err)
		}
		if got, err := seal.OpenLocal(r.Box, (*w.kept.Load())[0]); err != nil || got.String() != a {
			t.Fatalf("round %d: the box of %s holds %v, %v", round, a, got, err)
		}
		if !w.leadsTo(r.Ranges[len(r.Ranges)-1].Mask, a) {
			t.Fatalf("round %d: %s was durable, and its network does not lead to it", round, a)
		}
	}
}

// TestRedisKilledUnderLoad kills Redis while requests are recorded: none that was durable is lost, the
// others fail in time, and it goes on by itself when Redis is back.
func TestRedisKilledUnderLoad(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	w := newWorld(t, openRedis(t, server))
	var mu sync.Mutex
	var durable []string
	failed := 0
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var writers sync.WaitGroup
	for writer := range 8 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				a := fmt.Sprintf("10.%d.%d.%d", writer, i/256%256, i%256)
				err := w.RecordDurably(context.Background(), w.sighting(a))
				if err != nil {
					time.Sleep(time.Millisecond) // leaves Redis some of the processor to start
				}
				mu.Lock()
				if err == nil {
					durable = append(durable, a)
				} else {
					failed++
					if !errors.Is(err, sightings.ErrNotDurable) || !errors.Is(err, sightings.ErrUnavailable) && !strings.Contains(err.Error(), "too slow") {
						t.Errorf("RecordDurably: %v", err)
					}
				}
				mu.Unlock()
			}
		})
	}
	count := func() (int, int) {
		mu.Lock()
		defer mu.Unlock()
		return len(durable), failed
	}
	for round := range crashes {
		good, _ := count()
		testutil.Eventually(t, "sightings are durable (again)", func() bool { now, _ := count(); return now > good+100 })
		time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond)
		_, bad := count()
		server.Kill()
		testutil.Eventually(t, fmt.Sprintf("sightings fail (round %d)", round), func() bool { _, now := count(); return now > bad })
		server.Start()
	}
	stop()
	writers.Wait()
	testutil.Eventually(t, "it works again", func() bool { return w.RecordDurably(context.Background(), w.sighting("203.0.113.9")) == nil })
	testutil.Eventually(t, "look-ups too", func() bool { // the client lets go of its last dial's error after a second
		_, err := w.Look(context.Background(), w.mask("203.0.113.9"))
		return err == nil
	})
	for _, a := range durable {
		// The client's pool reports its last failure to dial until it has dialled again.
		testutil.Eventually(t, "the store answers", func() bool {
			_, err := w.Look(context.Background(), w.mask(a))
			if err != nil && !errors.Is(err, sightings.ErrUnavailable) {
				t.Fatalf("%s was durable: %v", a, err)
			}
			return err == nil
		})
		if r := w.mustLook(a); !w.leadsTo(r.Ranges[len(r.Ranges)-1].Mask, a) {
			t.Fatalf("%s was durable, and its network does not lead to it", a)
		}
	}
	t.Logf("%d durable records, %d refused, %d kills", len(durable), failed, crashes)
}
