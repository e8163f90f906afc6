//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/internal/redisclient"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
	"github.com/wikiveil/wikiveil/internal/trustedclock"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/lookup/sightings/boltstore"
	"github.com/wikiveil/wikiveil/lookup/sightings/redisstore"
	"github.com/wikiveil/wikiveil/masking"
)

// edgeProcess names the file with the config of an edge in a process of its own.
const edgeProcess = "WIKIVEIL_TEST_EDGE"

// runEdgeProcess is the whole of that process. It ends by being killed.
func runEdgeProcess(config string) {
	data, err := os.ReadFile(config)
	if err == nil {
		err = caddy.Load(data, true)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

// publisher is an app that keeps the mask of each request it accepted, and an edge before it
// in a process of its own, which many clients publish through.
type publisher struct {
	url, dir, config string
	edge             *exec.Cmd

	mu    sync.Mutex
	masks map[netip.Addr]bool
	next  uint32 // client
}

// setPublisher writes the config of an edge; options are those of sightings.
func setPublisher(t *testing.T, dir, options string) *publisher {
	t.Helper()
	addr := freeAddr(t, "127.0.0.1")
	p := &publisher{url: "http://" + addr, dir: dir, config: filepath.Join(t.TempDir(), "edge.json"), masks: make(map[netip.Addr]bool)}
	app := serveOn(t, "127.0.0.3", p)
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(fmt.Appendf(nil, `{
		admin off
		auto_https off
		persist_config off
		storage file_system %[1]s/storage
		servers {
			trusted_proxies static 127.0.0.1/32
		}
		wikiveil {
			data_dir %[1]s/data
			sightings {
				%[2]s
			}
		}
		log {
			output discard
		}
	}
	http://%[3]s {
		client_mask
		reverse_proxy %[4]s
	}`, dir, options, addr, app.Listener.Addr()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.config, adapted, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// ServeHTTP is the app.
func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.masks[netip.MustParseAddr(r.Header.Get("Client-Mask"))] = true
}

func (p *publisher) accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.masks)
}

func (p *publisher) start(t *testing.T) {
	t.Helper()
	p.edge = exec.Command("/proc/self/exe")
	p.edge.Env = append(os.Environ(), edgeProcess+"="+p.config)
	p.edge.Stderr = os.Stderr
	if err := p.edge.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", p.url[len("http://"):]); err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the edge does not listen")
		}
	}
}

// kill ends the edge as a crash does.
func (p *publisher) kill() {
	if p.edge != nil {
		p.edge.Process.Kill()
		p.edge.Wait()
		p.edge = nil
	}
}

// publish posts as a client that was never seen before, and returns the status, 0 for none.
func (p *publisher) publish(t *testing.T, client *http.Client) int {
	p.mu.Lock()
	p.next++
	n := p.next
	p.mu.Unlock()
	r, err := http.NewRequest("POST", p.url, nil)
	if err != nil {
		t.Error(err)
		return 0
	}
	r.Header.Set("X-Forwarded-For", netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String())
	resp, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// load publishes by many clients until stop is called.
func (p *publisher) load(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	var writers sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			for ctx.Err() == nil {
				if p.publish(t, client) != http.StatusOK {
					time.Sleep(5 * time.Millisecond) // the edge is down, or refuses
				}
			}
		})
	}
	return func() {
		cancel()
		writers.Wait()
		client.CloseIdleConnections()
	}
}

// wantAllRecorded opens the store as the next edge would: each mask that the app has accepted must be there.
func (p *publisher) wantAllRecorded(t *testing.T, store sightings.Store) {
	t.Helper()
	keeper := masking.NewKeeper(masking.KeeperConfig{Storage: &certmagic.FileStorage{Path: p.dir + "/storage"}, Clock: trustedclock.New()})
	ring, err := keeper.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := sightings.New(sightings.Config{Store: store, Epochs: ring.Epochs})
	if err != nil {
		t.Fatal(err)
	}
	defer recorder.Close()
	missing := 0
	for mask := range p.masks {
		if _, err := recorder.LookAll(t.Context(), mask); err != nil {
			if missing++; missing < 5 {
				t.Errorf("%v: %v", mask, err)
			}
		}
	}
	t.Logf("the app accepted %d clients, %d of them are not recorded", len(p.masks), missing)
	if missing > 0 {
		t.Errorf("%d of %d clients are not recorded", missing, len(p.masks))
	}
}

// TestKilledEdgeHasRecordedWhatItPassedOn kills the edge twenty times under load: whatever the app got, a
// patroller can look up.
func TestKilledEdgeHasRecordedWhatItPassedOn(t *testing.T) {
	p := setPublisher(t, t.TempDir(), "")
	p.start(t)
	stop := p.load(t)
	for range 20 {
		want := p.accepted() + 200
		p.waitAccepted(t, want)
		p.kill()
		p.start(t)
	}
	stop()
	p.kill()
	store, err := boltstore.Open(filepath.Join(p.dir, "data", "sightings"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	p.wantAllRecorded(t, store)
}

func (p *publisher) waitAccepted(t *testing.T, want int) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); p.accepted() < want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the app accepted %d clients, want %d", p.accepted(), want)
		}
	}
}

// TestKilledRedisHasRecordedWhatWasPassedOn kills Redis under load, and the edge goes on when it's back.
func TestKilledRedisHasRecordedWhatWasPassedOn(t *testing.T) {
	redis := redistest.Start(t, redistest.Durable...)
	p := setPublisher(t, t.TempDir(), "redis "+redis.URL)
	p.start(t)
	stop := p.load(t)
	client := &http.Client{Timeout: 20 * time.Second}
	for range 5 {
		p.waitAccepted(t, p.accepted()+200)
		redis.Kill()
		if status := p.publish(t, client); status != http.StatusServiceUnavailable {
			t.Errorf("without Redis the edge answers %d", status)
		}
		redis.Start()
	}
	p.waitAccepted(t, p.accepted()+200)
	stop()
	p.kill()
	store, err := redisstore.Open(t.Context(), redisstore.Config{Redis: redisclient.Config{URLs: []string{redis.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	p.wantAllRecorded(t, store)
}

// TestFullDiskHasRecordedWhatWasPassedOn fills the disk under load, and the edge goes on when there is room.
func TestFullDiskHasRecordedWhatWasPassedOn(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=12m,mode=0700"); err != nil {
		t.Fatalf("mounting a small tmpfs: %v; this test must run as root with CAP_SYS_ADMIN", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	p := setPublisher(t, dir, "")
	p.start(t)
	stop := p.load(t)
	p.waitAccepted(t, 200)
	ballast := filepath.Join(data, "ballast")
	fillDisk(t, ballast)
	client := &http.Client{Timeout: 20 * time.Second}
	for deadline := time.Now().Add(60 * time.Second); p.publish(t, client) != http.StatusServiceUnavailable; {
		if time.Now().After(deadline) {
			t.Fatal("the edge never refuses")
		}
	}
	stop()
	// What it refuses the app does not get. (A record may still find room in the file as it is.)
	before, passed, refused := p.accepted(), 0, 0
	for range 20 {
		switch status := p.publish(t, client); status {
		case http.StatusOK:
			passed++
		case http.StatusServiceUnavailable:
			refused++
		default:
			t.Fatalf("with a full disk the edge answers %d", status)
		}
	}
	if got := p.accepted() - before; got != passed || refused == 0 {
		t.Errorf("with a full disk the edge passed on %d requests and refused %d; the app got %d", passed, refused, got)
	}
	before = p.accepted()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	stop = p.load(t)
	p.waitAccepted(t, before+200)
	stop()
	p.kill()
	store, err := boltstore.Open(filepath.Join(data, "sightings"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	p.wantAllRecorded(t, store)
}

// fillDisk leaves no byte free.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err = f.Write(make([]byte, size)); err != nil {
			size /= 16
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
}
