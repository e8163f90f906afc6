package shareddoc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/certmagic"
)

var errOdd = errors.New("odd")

// number is a document of a number that is even.
func number(dir string) *Doc[int] {
	return New(&certmagic.FileStorage{Path: dir}, "wikiveil/n.json", JSON(func(n int) error {
		if n%2 != 0 {
			return errOdd
		}
		return nil
	}))
}

func set(t *testing.T, d *Doc[int], to int) error {
	t.Helper()
	return d.Update(t.Context(), func(int) (int, error) { return to, nil })
}

func TestNodesAtOnceLoseNoUpdate(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		d := number(dir)
		wg.Go(func() {
			if err := d.Update(context.Background(), func(n int) (int, error) { return n + 2, nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	d := number(dir)
	if err := d.Read(t.Context()); err != nil || d.Get() != 16 {
		t.Errorf("%d of 8 updates, %v", d.Get()/2, err)
	}
}

func TestOneNodeMakesIt(t *testing.T) {
	dir := t.TempDir()
	var made []int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 8 {
		d := number(dir)
		wg.Go(func() {
			n, err := d.Make(context.Background(), func() (int, error) { return 2 + 2*i, nil })
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			made = append(made, n)
		})
	}
	wg.Wait()
	if slices.Sort(made); made[0] == 0 || made[0] != made[7] {
		t.Errorf("they have %v", made)
	}
}

func TestShed(t *testing.T) {
	dir := t.TempDir()
	d := number(dir)
	if err := set(t, d, 6); err != nil {
		t.Fatal(err)
	}
	if d.Shed(); d.Get() != 0 || d.data != nil || !d.Known() {
		t.Errorf("it still holds %d, and is known: %v", d.Get(), d.Known())
	}
	if err := d.Update(t.Context(), func(n int) (int, error) { return n + 2, nil }); err != nil || d.Get() != 8 {
		t.Errorf("a change of it made %d: %v", d.Get(), err)
	}
	d.Shed()
	if err := os.Remove(filepath.Join(dir, "wikiveil/n.json")); err != nil {
		t.Fatal(err)
	}
	if err := set(t, d, 2); !errors.Is(err, ErrVanished) {
		t.Errorf("what is gone was replaced: %v", err)
	}
}

func TestWhatCantBeReadIsNeverReplaced(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "wikiveil/n.json")
	d := number(dir)
	if err := d.Read(t.Context()); err != nil || d.Known() || d.Get() != 0 {
		t.Fatalf("a document that isn't there: %v", err)
	}
	if err := set(t, d, 0); err != nil || d.Known() {
		t.Fatalf("a change of nothing: %v", err)
	}
	if err := set(t, d, 6); err != nil || d.Get() != 6 || !d.Known() {
		t.Fatalf("storing: %v", err)
	}
	refusal := errors.New("no")
	if err := d.Update(t.Context(), func(int) (int, error) { return 8, refusal }); !errors.Is(err, refusal) || d.Get() != 6 {
		t.Errorf("a change that fails: %v", err)
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	odd, err := encode(7)
	if err != nil {
		t.Fatal(err)
	}
	text, err := encode("text")
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string]struct{ data, want string }{
		"empty":           {"", "first line"},
		"cut":             {string(good[:len(good)-1]), "checksum"},
		"changed":         {strings.Replace(string(good), "\n6", "\n8", 1), "checksum"},
		"a later version": {`{"version":2}` + "\n6", "unknown version 2"},
		"another text":    {"seven", "first line"},
		"another form":    {string(text), "form"},
		"a value refused": {string(odd), "odd"},
	} {
		if err := os.WriteFile(file, []byte(damaged.data), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{d.Read(t.Context()), number(dir).Read(t.Context()), set(t, d, 8)} {
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), damaged.want) || !strings.Contains(err.Error(), "wikiveil/n.json") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if data, _ := os.ReadFile(file); string(data) != damaged.data {
			t.Errorf("%s: it was replaced by %q", name, data)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{d.Read(t.Context()), set(t, d, 8)} {
		if !errors.Is(err, ErrVanished) || d.Get() != 6 {
			t.Errorf("a vanished one: %v", err)
		}
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a vanished one was made anew: %v", err)
	}
	if err := set(t, number(dir), 10); err != nil {
		t.Fatal(err)
	}
	if err := d.Read(t.Context()); err != nil || d.Get() != 10 {
		t.Errorf("back again: %d, %v", d.Get(), err)
	}
}

// A node that doesn't take a version keeps the one before, and replaces nothing.
func TestWhatIsNotTaken(t *testing.T) {
	dir := t.TempDir()
	older := errors.New("older")
	known := 0
	form := JSON[int](nil)
	form.Use = func(n int) error {
		if n < known {
			return older
		}
		known = n
		return nil
	}
	d := New(&certmagic.FileStorage{Path: dir}, "wikiveil/n.json", form)
	if err := set(t, d, 6); err != nil || known != 6 {
		t.Fatal(err)
	}
	if err := set(t, number(dir), 4); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{d.Read(t.Context()), set(t, d, 8)} {
		if !errors.Is(err, older) || d.Get() != 6 || known != 6 {
			t.Errorf("%d, %v", d.Get(), err)
		}
	}
}
