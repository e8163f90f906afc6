package boundstorage

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/internal/health"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// scene is a real file storage, bounded; a file of it can be made to hang.
type scene struct {
	*Storage
	files *certmagic.FileStorage
	log   bytes.Buffer
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{files: &certmagic.FileStorage{Path: t.TempDir()}}
	part := health.Watch("storage", "x", slog.New(slog.NewTextHandler(&s.log, nil)))
	t.Cleanup(part.Close)
	s.Storage = New("test", s.files, 50*time.Millisecond, part)
	if err := s.files.Store(t.Context(), "wikiveil/a", []byte("one")); err != nil {
		t.Fatal(err)
	}
	return s
}

// hang has reading of a key hang, until the function that it returns is called.
func (s *scene) hang(t *testing.T, key string) (end func()) {
	t.Helper()
	path := filepath.Join(s.files.Path, key)
	if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	return func() {
		f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0) // lets whoever waits to open it go on
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString("one")
		time.AfterFunc(50*time.Millisecond, func() { f.Close() })
		os.Remove(path)
		if err := s.files.Store(context.Background(), key, []byte("two")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCase49Hangs(t *testing.T) {
	s := newScene(t)
	if data, err := s.Load(t.Context(), "wikiveil/a"); err != nil || string(data) != "one" {
		t.Fatalf("%s, %v", data, err)
	}
	end := s.hang(t, "wikiveil/a")
	for range 3 { // only the first waits
		if _, err := s.Load(t.Context(), "wikiveil/a"); !errors.Is(err, ErrHangs) {
			t.Fatal(err)
		}
	}
	if health.Up()["storage"] || strings.Count(s.log.String(), "store is down") != 1 || !strings.Contains(s.log.String(), "load wikiveil/a") {
		t.Errorf("the log says %s", s.log.String())
	}
	// What doesn't hang is served.
	if err := s.Store(t.Context(), "wikiveil/b", []byte("three")); err != nil {
		t.Error(err)
	}
	if _, err := s.Load(t.Context(), "wikiveil/b"); err != nil {
		t.Error(err)
	}
	if n := len(s.hanging); n != 1 {
		t.Errorf("%d calls hang", n)
	}
	end()
	testutil.Eventually(t, "the storage works", func() bool { return health.Up()["storage"] })
	if data, err := s.Load(t.Context(), "wikiveil/a"); err != nil || string(data) != "two" {
		t.Errorf("%s, %v", data, err)
	}
	if !strings.Contains(s.log.String(), "store works again") {
		t.Errorf("the log says %s", s.log.String())
	}
}

// slow is a storage whose writes wait.
type slow struct {
	certmagic.Storage
	release chan struct{}
}

func (s slow) Store(ctx context.Context, key string, value []byte) error {
	<-s.release
	return s.Storage.Store(context.WithoutCancel(ctx), key, value)
}

// A write that has begun is finished, though whoever asked has gone: nothing of an edge that has stopped changes files any more.
func TestAWriteBegunIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		release := make(chan struct{})
		s.timeout = DefaultTimeout
		s.Use(slow{s.files, release})
		ctx, cancel := context.WithCancel(t.Context())
		stored := make(chan error)
		go func() { stored <- s.Store(ctx, "wikiveil/a", []byte("finished")) }()
		synctest.Wait()
		cancel()
		time.Sleep(DefaultTimeout / 2)
		close(release)
		if err := <-stored; err != nil {
			t.Fatal(err)
		}
		if data, err := s.files.Load(t.Context(), "wikiveil/a"); err != nil || string(data) != "finished" {
			t.Errorf("%s, %v", data, err)
		}
		if err := s.Store(ctx, "wikiveil/a", []byte("begun after")); !errors.Is(err, context.Canceled) {
			t.Errorf("a write that begins when nobody waits for it: %v", err)
		}
	})
}

// A write that was abandoned must not undo a later one of another node: its lock stays until it has ended.
func TestLockOutlastsAnAbandonedWrite(t *testing.T) {
	s := newScene(t)
	release := make(chan struct{})
	s.Use(slow{s.files, release})
	if err := s.Lock(t.Context(), "lock"); err != nil {
		t.Fatal(err)
	}
	if err := s.Store(t.Context(), "wikiveil/a", []byte("late")); !errors.Is(err, ErrHangs) {
		t.Fatal(err)
	}
	if err := s.Unlock(t.Context(), "lock"); !errors.Is(err, ErrHangs) {
		t.Fatal(err)
	}
	other := &certmagic.FileStorage{Path: s.files.Path}
	waiting, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := other.Lock(waiting, "lock"); err == nil {
		t.Fatal("another node has the lock while the write hangs")
	}
	close(release)
	if err := other.Lock(t.Context(), "lock"); err != nil {
		t.Fatal(err)
	}
	if data, err := other.Load(t.Context(), "wikiveil/a"); err != nil || string(data) != "late" {
		t.Errorf("%s, %v", data, err)
	}
	if err := other.Unlock(t.Context(), "lock"); err != nil {
		t.Error(err)
	}
}

// A lock that comes after its caller has gone is let go.
func TestLateLock(t *testing.T) {
	s := newScene(t)
	release := make(chan struct{})
	s.Use(lateLock{s.files, release})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := s.Lock(ctx, "lock"); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(release)
	limited, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	testutil.Eventually(t, "the late lock", func() bool { _, err := os.Stat(filepath.Join(s.files.Path, "locks", "lock.lock")); return err != nil })
	if err := s.files.Lock(limited, "lock"); err != nil {
		t.Fatal(err)
	}
	if err := s.files.Unlock(limited, "lock"); err != nil {
		t.Error(err)
	}
}

type lateLock struct {
	certmagic.Storage
	release chan struct{}
}

func (s lateLock) Lock(ctx context.Context, name string) error {
	<-s.release
	return s.Storage.Lock(context.WithoutCancel(ctx), name)
}
