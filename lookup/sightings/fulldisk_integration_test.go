//go:build integration

package sightings_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// smallDisk mounts a file system that is soon full.
func smallDisk(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m,mode=0700"); err != nil {
		t.Fatalf("mounting a small tmpfs: %v; this test must run as root with CAP_SYS_ADMIN", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill leaves no byte free; the returned function gives all of it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 16
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	f.Close()
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// record records new clients until one can't be, and returns the durable ones.
func (w *world) record(t *testing.T, from, most int) (durable []string, failed error) {
	t.Helper()
	for i := from; i < from+most; i++ {
		start := time.Now()
		if err := w.RecordDurably(context.Background(), w.sighting(addr(i))); err != nil {
			if !errors.Is(err, sightings.ErrNotDurable) {
				t.Fatalf("RecordDurably: %v", err)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("the error took %v", took)
			}
			return durable, err
		}
		durable = append(durable, addr(i))
	}
	return durable, nil
}

func (w *world) wantAll(t *testing.T, durable []string) {
	t.Helper()
	for _, a := range durable {
		w.mustLook(a)
	}
}

// A full disk: requests that can publish are refused, nothing that was durable is lost, and it goes on without
// a restart when there is room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	smallDisk(t, dir)
	w := newWorld(t, openBolt(t, filepath.Join(dir, "store")))
	durable, err := w.record(t, 0, 500)
	if err != nil {
		t.Fatal(err)
	}
	free := fill(t, dir)
	more, err := w.record(t, 1000, 100_000) // what room the file itself has left may still be used
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("RecordDurably on a full disk: %v", err)
	}
	durable = append(durable, more...)
	for i := range 50 {
		if err := w.RecordDurably(context.Background(), w.sighting(addr(200_000+i))); err == nil {
			durable = append(durable, addr(200_000+i))
		}
	}
	w.wantAll(t, durable) // look-ups still answer
	tomorrow := w.now().Add(24 * time.Hour)
	w.setClock(tomorrow) // a new file can't be made either
	if err := w.RecordDurably(context.Background(), w.sighting(addr(300_000))); !errors.Is(err, sightings.ErrNotDurable) {
		t.Fatalf("a new day on a full disk: %v", err)
	}
	free()
	again, err := w.record(t, 300_000, 500)
	if err != nil || len(again) != 500 {
		t.Fatalf("after there is room: %d, %v", len(again), err)
	}
	w.wantAll(t, append(durable, again...))
	if err := errors.Join(w.Close(), w.config.Store.Close()); err != nil {
		t.Fatal(err)
	}
	w.config.Store = openBolt(t, filepath.Join(dir, "store"))
	w.open()
	w.wantAll(t, append(durable, again...))
	t.Logf("%d durable before, %d after: %v", len(durable), len(again), err)
}

// Redis with appendfsync always ends itself when its disk is full; that is a stopped Redis.
func TestFullDiskUnderRedis(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	server.Kill()
	smallDisk(t, server.Dir)
	server.Start()
	w := newWorld(t, openRedis(t, server))
	durable, err := w.record(t, 0, 500)
	if err != nil {
		t.Fatal(err)
	}
	free := fill(t, server.Dir)
	more, err := w.record(t, 1000, 100_000)
	if err == nil {
		t.Fatal("a full disk was not noticed")
	}
	durable = append(durable, more...)
	server.Kill()
	free()
	server.Start()
	testutil.Eventually(t, "it works again", func() bool {
		return w.RecordDurably(context.Background(), w.sighting(addr(200_000))) == nil
	})
	w.wantAll(t, append(durable, addr(200_000)))
	t.Logf("%d durable before: %v", len(durable), err)
}
