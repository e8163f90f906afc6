package noticeboard

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

func TestMain(m *testing.M) {
	// certmagic's file lock ends its goroutine some seconds after the lock.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}

// testIntegrity is the hash of nothing in particular.
const testIntegrity = "sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC"

func files(t testing.TB) *certmagic.FileStorage { return &certmagic.FileStorage{Path: t.TempDir()} }

// failing is a storage that can be made to fail.
type failing struct {
	Storage
	broken atomic.Bool
}

var errStorage = errors.New("the disk is on fire")

func (s *failing) Lock(ctx context.Context, name string) error {
	if s.broken.Load() {
		return errStorage
	}
	return s.Storage.Lock(ctx, name)
}

func (s *failing) Load(ctx context.Context, key string) ([]byte, error) {
	if s.broken.Load() {
		return nil, errStorage
	}
	return s.Storage.Load(ctx, key)
}

func mustState(t testing.TB, storage Storage) *State {
	t.Helper()
	s, err := OpenState(context.Background(), storage)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mapsTool() *Tool { return &Tool{Name: "maps", Origin: "https://maps.example.org"} }

// mustLive returns a published board over a storage.
func mustLive(t testing.TB, storage Storage, file string, tools ...*Tool) *Live {
	t.Helper()
	l, err := NewLive(LiveConfig{Tools: tools, File: file, State: mustState(t, storage)})
	if err != nil {
		t.Fatal(err)
	}
	mustPublish(t, l)
	return l
}

func mustPublish(t testing.TB, l *Live) {
	t.Helper()
	if err := l.Publish(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func mustRefresh(t testing.TB, l *Live) {
	t.Helper()
	if err := l.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// lookUp returns a usable tool.
func lookUp(t testing.TB, l *Live, name string) Entry {
	t.Helper()
	e, err := l.Lookup(name)
	if err != nil {
		t.Fatalf("looking up %s: %v", name, err)
	}
	return e
}

// wantRefusal asserts why a look-up failed.
func wantRefusal(t testing.TB, err error, reason, text string) {
	t.Helper()
	refused, ok := errors.AsType[*refusal.Refusal](err)
	if !ok || refused.Reason != reason || !strings.Contains(refused.Error(), text) {
		t.Errorf("got %v, want %s: %s", err, reason, text)
	}
}

// writeFile puts a file in place as an editor does, or over the old content. Its
// time is set, for a test must not wait for the clock of the file system.
var fileTime = time.Now().Add(-time.Hour)

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	fileTime = fileTime.Add(time.Second)
	if err := os.Chtimes(path, fileTime, fileTime); err != nil {
		t.Fatal(err)
	}
}

func toolsFile(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tools.json")
	writeFile(t, path, content)
	return path
}

// acts are the entries of the log, the oldest first, as "tool act fields".
func acts(s *State) []string {
	var list []string
	for _, c := range s.Changes() {
		text := c.Tool + " " + string(c.Act)
		if c.Prefix != "" {
			text += " " + c.Prefix
		}
		if len(c.Fields) > 0 {
			text += " " + strings.Join(c.Fields, "+")
		}
		list = append([]string{text}, list...)
	}
	return list
}

// Lookup returns the tool of that name if it may be used now, however.
func (l *Live) Lookup(name string) (Entry, error) {
	e, refused := l.lookup(name)
	if refused != nil {
		return Entry{}, refused
	}
	return e.Entry, nil
}

// Refresh does at once what Follow does from time to time.
func (l *Live) Refresh(ctx context.Context) error {
	_, err := l.refreshFile()
	if stateErr := l.refreshState(ctx); err == nil {
		err = stateErr
	}
	return err
}
