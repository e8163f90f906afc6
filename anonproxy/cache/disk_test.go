package cache

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// onDisk waits until so many files are written.
func onDisk(t testing.TB, c *Cache, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); c.Stats().DiskFiles != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v, want %d files", c.Stats(), n)
		}
	}
}

func TestDiskSurvivesRestart(t *testing.T) {
	for _, tc := range []struct {
		name, header string
		asked        string // validators after the restart, "-" if none is asked
		want         Result
	}{
		{"fresh", "Cache-Control: max-age=600", "-", DiskHit},
		{"stale, with a validator", "Cache-Control: max-age=0\nEtag: \"1\"", `"1"`, Revalidated},
		{"no-cache", "Cache-Control: no-cache\nEtag: \"1\"", `"1"`, Revalidated},
		{"old when it came", "Cache-Control: max-age=600\nAge: 599\nEtag: \"1\"", `"1"`, Revalidated},
		{"missing", "404\nCache-Control: max-age=600", "-", DiskHit},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := Config{Dir: filepath.Join(t.TempDir(), "new")}
			body := strings.Repeat("body ", 100_000) // several blocks
			c := newCache(t, cfg)
			before := ask(t, c, key("/x?y"), (&origin{answer: func(int, *Validators) (*Response, error) { return says(tc.header, body), nil }}).fetch)
			onDisk(t, c, 1)
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			c = newCache(t, cfg)
			if tc.want == Revalidated {
				time.Sleep(time.Second + 100*time.Millisecond)
			}
			o := &origin{answer: func(int, *Validators) (*Response, error) { return says("304", ""), nil }}
			after := ask(t, c, key("/x?y"), o.fetch)
			asked := append(o.asked, "-")[0]
			if after.result != tc.want || after.body != body || asked != tc.asked || after.status != before.status {
				t.Fatalf("got %s and %d bytes of status %d, the tool saw %q", after.result, len(after.body), after.status, asked)
			}
			if tc.want == DiskHit {
				before.header.Del("Age")
				after.header.Del("Age")
				before.header.Del("Etag") // the first reader's began before it was whole
				after.header.Del("Etag")
				if fmt.Sprint(before.header) != fmt.Sprint(after.header) {
					t.Errorf("header before %v, after %v", before.header, after.header)
				}
				if again := ask(t, c, key("/x?y"), o.fetch); again.result != Hit {
					t.Errorf("then %s", again.result)
				}
			}
		})
	}
}

func TestDamagedFilesAreMisses(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Dir: dir}
	fresh := &origin{answer: func(int, *Validators) (*Response, error) {
		return says("Cache-Control: max-age=600", "0123456789"), nil
	}}
	k, other := key("/x"), key("/other")
	c := newCache(t, cfg)
	ask(t, c, k, fresh.fetch)
	ask(t, c, other, fresh.fetch)
	onDisk(t, c, 2)
	_ = c.Close()
	name := filepath.Join(dir, nameOf(k))
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	others, err := os.ReadFile(filepath.Join(dir, nameOf(other)))
	if err != nil {
		t.Fatal(err)
	}
	damages := map[string][]byte{
		"empty": {}, "cut": whole[:len(whole)-1], "longer": append(slices.Clone(whole), 0), "another's": others, "a page": []byte("<!doctype html>"),
		"magic alone": []byte(magic), "huge head": append([]byte(magic), 0xff, 0xff, 0xff, 0xff),
	}
	for i := range whole {
		if i%7 == 0 {
			bad := slices.Clone(whole)
			bad[i] ^= 1
			damages[fmt.Sprint("bit at ", i)] = bad
		}
	}
	for _, what := range slices.Sorted(maps.Keys(damages)) {
		if err := os.WriteFile(name, damages[what], 0o600); err != nil {
			t.Fatal(err)
		}
		c := newCache(t, cfg)
		if g := ask(t, c, k, fresh.fetch); g.result != Miss || g.body != "0123456789" || c.Stats().DiskErrors != 1 {
			t.Errorf("%s: got %+v, %+v", what, g, c.Stats())
		}
		_ = c.Close()
	}
	// Things that aren't files, and files that change after the start.
	_ = os.Remove(name)
	if err := os.Symlink("/etc/passwd", name); err != nil {
		t.Fatal(err)
	}
	c = newCache(t, cfg)
	if g := ask(t, c, k, fresh.fetch); g.result != Miss {
		t.Errorf("a link: got %+v", g)
	}
	_ = c.Close()
	c = newCache(t, cfg)
	if err := os.Truncate(filepath.Join(dir, nameOf(other)), 3); err != nil {
		t.Fatal(err)
	}
	if g := ask(t, c, other, fresh.fetch); g.result != Miss {
		t.Errorf("cut while running: got %+v", g)
	}
}

func TestDiskBounds(t *testing.T) {
	dir := t.TempDir()
	mustWrite := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustWrite("someone's notes")
	mustWrite(temporary + "half")
	mustWrite(temporary + "half-by-another")
	if err := os.Chtimes(filepath.Join(dir, temporary+"half"), time.Time{}, time.Now().Add(-2*staleTemporary)); err != nil {
		t.Fatal(err)
	}
	c := newCache(t, Config{Dir: dir, DiskBytes: 50_000, MaxBytes: 1 << 20})
	for i := range 50 {
		ask(t, c, key(fmt.Sprint("/", i)), sized(10_000).fetch)
		onDisk(t, c, min(i+1, 4))
	}
	if s := c.Stats(); s.DiskBytes > 50_000 || s.DiskErrors > 0 {
		t.Errorf("%+v", s)
	}
	_ = c.Close()
	if names := files(t, dir); len(names) != 6 || !slices.Contains(names, "someone's notes") || !slices.Contains(names, temporary+"half-by-another") {
		t.Errorf("the directory holds %q", names)
	}
	c = newCache(t, Config{Dir: dir, DiskFiles: 2}) // fewer than there are
	if s := c.Stats(); s.DiskFiles != 2 {
		t.Errorf("%+v", s)
	}
	if g := ask(t, c, key("/49"), sized(1).fetch); g.result != DiskHit {
		t.Errorf("the newest: %s", g.result)
	}
	if names := files(t, dir); len(names) != 6 {
		t.Errorf("a start alone changed the directory to %q", names)
	}
	ask(t, c, key("/50"), sized(10).fetch)
	_ = c.Close() // which writes what waits
	if names := files(t, dir); len(names) != 4 {
		t.Errorf("once something is written the directory holds %q", names)
	}
	for _, name := range files(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		if strings.Contains(name, "maps") {
			t.Errorf("%q tells what was asked for", name)
		}
	}
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestDiskGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	c := newCache(t, Config{Dir: dir})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for _, want := range []Result{Miss, Hit} { // memory does without
		if g := ask(t, c, key("/x"), sized(10).fetch); g.result != want {
			t.Errorf("got %+v", g)
		}
	}
	_ = c.Close()
	if c.Stats().DiskErrors == 0 {
		t.Error("nobody was told")
	}
}

func FuzzDiskFile(f *testing.F) {
	k := key("/x?y")
	o := &object{key: k, status: 200, contentType: "text/plain", header: map[string][]string{"Etag": {`"a"`}}, received: time.Unix(1e9, 0)}
	o.body = wholeBody((&pool{max: 1 << 20}).of(""), []byte("body"), 0)
	parts, err := encode(o)
	if err != nil {
		f.Fatal(err)
	}
	whole := bytes.Join(parts, nil)
	f.Add(whole, false)
	f.Add(whole[:len(whole)-32], true) // the sum is made to fit
	f.Add([]byte(magic+"\x00\x00\x00\x02{}"), true)
	f.Add([]byte(magic), true)
	f.Fuzz(func(t *testing.T, data []byte, fit bool) {
		if fit {
			data = summed(data)
		}
		o, body, err := decode(data, k)
		if err != nil {
			return
		}
		if o.key != k || o.status < 200 || o.status > 599 || len(body) > len(data) {
			t.Fatalf("%+v", o)
		}
		o.body = wholeBody((&pool{max: 1 << 20}).of(""), body, 0)
		o.complete()
		_, _ = o.state(time.Now()), o.browserAge(time.Now())
		o.acquire()
		a := Answer{Result: Hit, ctx: t.Context(), object: o}
		defer a.Close()
		if g := reply(&a, "GET", nil, nil); g.err != nil || g.status != 204 && g.body != string(body) {
			t.Fatalf("%+v", g)
		}
	})
}

// summed puts the right sum after a file's content.
func summed(content []byte) []byte {
	h := wholeBody((&pool{max: 1 << 20}).of(""), content, 0).hash
	return h.Sum(slices.Clone(content))
}
