package mirror

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const content = "the pinned content"

func keyOf(content string) Key {
	return Key{URL: "https://cdn.example.org/a.js", Integrity: Integrity([]byte(content))}
}

// service is a function that counts how often it is asked.
type service struct {
	asked atomic.Int64
	body  string
	err   error // after the body
}

func (s *service) fetch(context.Context) (*Response, error) {
	s.asked.Add(1)
	body := io.Reader(strings.NewReader(s.body))
	if s.err != nil {
		body = io.MultiReader(body, &broken{s.err})
	}
	return &Response{Body: io.NopCloser(body), Meta: Meta{Type: "text/javascript", URL: "https://cdn.example.org/final.js"}}, nil
}

type broken struct{ err error }

func (b *broken) Read([]byte) (int, error) { return 0, b.err }

// contentOf reads what an entry gives now.
func contentOf(t *testing.T, e *Entry) (string, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // it waits for nothing
	file, err := e.Get(ctx)
	if err != nil {
		return "", err
	}
	if file.Meta != (Meta{"text/javascript", "https://cdn.example.org/final.js"}) {
		t.Errorf("kept %+v", file.Meta)
	}
	opened, err := file.Open()
	if err != nil {
		return "", err
	}
	defer opened.Close()
	body, err := io.ReadAll(opened)
	if int64(len(body)) != file.Size() {
		t.Errorf("%d bytes of %d", len(body), file.Size())
	}
	return string(body), err
}

func newStore(t *testing.T, cfg Config) *Store {
	t.Helper()
	s := New(cfg)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	for name, cfg := range map[string]Config{
		"in memory": {}, "on disk and in memory": {Dir: "d"}, "on disk": {Dir: "d", Memory: 1},
	} {
		t.Run(name, func(t *testing.T) {
			if cfg.Dir != "" {
				cfg.Dir = filepath.Join(t.TempDir(), "mirrors")
			}
			s := newStore(t, cfg)
			e := s.Hold(keyOf(content))
			if _, err := contentOf(t, e); !errors.Is(err, ErrPending) {
				t.Errorf("before it was fetched: %v", err)
			}
			cdn := &service{body: content}
			for range 2 {
				if _, again, err := e.Fill(t.Context(), cdn.fetch); again != 0 || err != nil {
					t.Fatalf("filling: %v, %v", again, err)
				}
			}
			if got, err := contentOf(t, e); got != content || err != nil || cdn.asked.Load() != 1 {
				t.Errorf("got %q (%v), asked %d times", got, err, cdn.asked.Load())
			}
			if e.Release(); s.memory != 0 || len(s.entries) != 0 {
				t.Errorf("%d bytes and %d entries stay after the last use", s.memory, len(s.entries))
			}
			if cfg.Dir == "" {
				return
			}
			// After a restart nobody need be asked, or be there to be asked.
			again := newStore(t, cfg).Hold(keyOf(content))
			if got, err := contentOf(t, again); got != content || err != nil {
				t.Errorf("after a restart: %q (%v)", got, err)
			}
		})
	}
}

// What isn't the pinned file is neither given nor left on the disk.
func TestStoreRefusesOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		service *service
		reason  string
	}{
		"another":    {&service{body: "another content"}, Integrity([]byte("another content"))},
		"truncated":  {&service{body: content[:5]}, "differs from the one that is pinned"},
		"with more":  {&service{body: content + "\n"}, "differs from the one that is pinned"},
		"empty":      {&service{}, "differs from the one that is pinned"},
		"broken off": {&service{body: content, err: errors.New("the service broke off")}, "the service broke off"},
	} {
		for _, dir := range []string{"", t.TempDir()} {
			t.Run(name+" "+filepath.Base(dir), func(t *testing.T) {
				e := newStore(t, Config{Dir: dir}).Hold(keyOf(content))
				asked, again, err := e.Fill(t.Context(), tc.service.fetch)
				if !asked || again < firstRetry || err == nil || !strings.Contains(err.Error(), tc.reason) {
					t.Errorf("got %v %v %v, want a reason with %q", asked, again, err, tc.reason)
				}
				if got, err := contentOf(t, e); got != "" || err == nil || !strings.Contains(err.Error(), tc.reason) {
					t.Errorf("gives %q (%v)", got, err)
				}
				if dir == "" {
					return
				}
				if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
					t.Errorf("left on the disk: %v %v", left, err)
				}
			})
		}
	}
}

// Files that a crash or somebody else has changed are as good as none.
func TestDamagedFiles(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"empty":            func([]byte) []byte { return nil },
		"half":             func(b []byte) []byte { return b[:len(b)/2] },
		"without its end":  func(b []byte) []byte { return b[:len(b)-1] },
		"longer":           func(b []byte) []byte { return append(b, 'x') },
		"content changed":  func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"address changed":  func(b []byte) []byte { return bytes.Replace(b, []byte("final.js"), []byte("other.js"), 1) },
		"no line":          func(b []byte) []byte { return bytes.Repeat([]byte("x"), 2*maxHead) },
		"nothing but line": func([]byte) []byte { return []byte("\n") },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Dir: t.TempDir()}
			cdn := &service{body: content}
			if _, _, err := newStore(t, cfg).Hold(keyOf(content)).Fill(t.Context(), cdn.fetch); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(cfg.Dir, keyOf(content).name())
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			e := newStore(t, cfg).Hold(keyOf(content))
			if got, err := contentOf(t, e); !errors.Is(err, ErrPending) {
				t.Errorf("gives %q (%v)", got, err)
			}
			if _, _, err := e.Fill(t.Context(), cdn.fetch); err != nil || cdn.asked.Load() != 2 {
				t.Errorf("fetched anew: %v, asked %d times", err, cdn.asked.Load())
			}
			if got, err := contentOf(t, e); got != content || err != nil {
				t.Errorf("then gives %q (%v)", got, err)
			}
		})
	}
}

// A file that goes while it is in use is fetched anew.
func TestFileGoes(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), Memory: 1}
	e := newStore(t, cfg).Hold(keyOf(content))
	cdn := &service{body: content}
	if _, _, err := e.Fill(t.Context(), cdn.fetch); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(cfg.Dir, keyOf(content).name()), 100); err != nil {
		t.Fatal(err)
	}
	if got, err := contentOf(t, e); got != "" || err == nil {
		t.Errorf("gives %q (%v)", got, err)
	}
	if asked, _, err := e.Fill(t.Context(), cdn.fetch); !asked || err != nil {
		t.Errorf("not fetched anew: %v", err)
	}
	if got, err := contentOf(t, e); got != content || err != nil {
		t.Errorf("then gives %q (%v)", got, err)
	}
}

// Failures wait longer and longer, who asks meanwhile is told at once, and a file that
// comes is given to all who wait.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		e := s.Hold(keyOf(content))
		cdn := &service{body: "another"}
		for want := firstRetry; want < 8*firstRetry; want *= 2 {
			asked, again, err := e.Fill(t.Context(), cdn.fetch)
			if !asked || err == nil || again < want || again > want+want/4+1 {
				t.Fatalf("asked %v, again after %v (%v), want %v", asked, again, err, want)
			}
			if asked, wait, _ := e.Fill(t.Context(), cdn.fetch); asked || wait != again {
				t.Errorf("asked before it is time, or %v instead of %v", wait, again)
			}
			if _, err := e.Get(t.Context()); err == nil {
				t.Error("gives another file")
			}
			time.Sleep(again)
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		failing := func(ctx context.Context) (*Response, error) { return nil, ctx.Err() }
		if asked, again, _ := e.Fill(canceled, failing); asked || again != busyRetry {
			t.Errorf("a canceled attempt counts: %v, %v", asked, again)
		}
		if _, again, err := e.Fill(t.Context(), (&service{body: content}).fetch); again != 0 || err != nil {
			t.Errorf("%v, %v", again, err)
		}
	})
}

// However many want a file, its service is asked once, and those who ask for it wait.
func TestOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(Config{}).Hold(keyOf(content))
		cdn := &service{body: content}
		slow := func(ctx context.Context) (*Response, error) {
			time.Sleep(time.Second)
			return cdn.fetch(ctx)
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if file, err := e.Get(t.Context()); err != nil || file.Size() != int64(len(content)) {
					t.Errorf("got %v", err)
				}
			})
			wg.Go(func() {
				if _, again, err := e.Fill(t.Context(), slow); err != nil || again != 0 && again != busyRetry {
					t.Errorf("%v, %v", again, err)
				}
			})
		}
		wg.Wait()
		if n := cdn.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestTidy(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-2 * fileLife)
	unused, other := strings.Repeat("0", 64), "README"
	for name, at := range map[string]time.Time{
		unused: old, strings.Repeat("1", 64): time.Now(), temporary + "a": old, temporary + "b": time.Now(), other: old,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := newStore(t, Config{Dir: dir}).Hold(keyOf(content)).Fill(t.Context(), (&service{body: content}).fetch); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		unused: false, strings.Repeat("1", 64): true, temporary + "a": false, temporary + "b": true, other: true, keyOf(content).name(): true,
	} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: there %v, want %v", name, err == nil, want)
		}
	}
}

func TestNoRoom(t *testing.T) {
	e := newStore(t, Config{Memory: 3}).Hold(keyOf(content))
	if _, _, err := e.Fill(t.Context(), (&service{body: content}).fetch); err == nil || !strings.Contains(err.Error(), "no room in memory") {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e = newStore(t, Config{Dir: file}).Hold(keyOf(content))
	if _, _, err := e.Fill(t.Context(), (&service{body: content}).fetch); err == nil || !strings.Contains(err.Error(), "the mirror's directory") {
		t.Errorf("got %v", err)
	}
}

func FuzzKeptFile(f *testing.F) {
	head, err := encodeHead(Meta{"text/css", "https://cdn.example.org/"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(head, content...))
	f.Add([]byte("\n"))
	f.Add(head)
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		kept, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		s := New(Config{})
		file, err := s.read(s.Hold(keyOf(content)), kept)
		if err == nil && string(file.body) != content {
			t.Errorf("%q is taken for the file", file.body)
		}
		if err != nil && s.memory != 0 {
			t.Error("memory stays in use")
		}
	})
}
