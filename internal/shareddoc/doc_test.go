package shareddoc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/caddyserver/certmagic"
)

var errWord = errors.New("not a number")

func number(dir string) (*Doc, *int) {
	n := new(int)
	return New(&certmagic.FileStorage{Path: dir}, "wikiveil/n", "wikiveil_n", func(data []byte) error {
		got, err := strconv.Atoi(string(data))
		if err != nil {
			return errWord
		}
		*n = got
		return nil
	}), n
}

func TestNodesAtOnceLoseNoUpdate(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		d, n := number(dir)
		wg.Go(func() {
			err := d.Update(context.Background(), func() ([]byte, error) { return fmt.Append(nil, *n+1), nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	d, n := number(dir)
	if err := d.Read(t.Context()); err != nil || *n != 8 {
		t.Errorf("%d of 8 updates, %v", *n, err)
	}
}

func TestWhatCantBeReadIsNeverReplaced(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "wikiveil/n")
	d, n := number(dir)
	if err := d.Read(t.Context()); err != nil || d.Known() {
		t.Fatalf("a document that isn't there: %v", err)
	}
	set := func(to string) error {
		return d.Update(t.Context(), func() ([]byte, error) { return []byte(to), nil })
	}
	if err := set("7"); err != nil || *n != 7 || !d.Known() {
		t.Fatalf("storing: %v", err)
	}
	if err := os.WriteFile(file, []byte("seven"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := set("8"); !errors.Is(err, errWord) {
		t.Errorf("a damaged one: %v", err)
	}
	if data, _ := os.ReadFile(file); string(data) != "seven" {
		t.Errorf("it was replaced by %q", data)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{d.Read(t.Context()), set("8")} {
		if !errors.Is(err, ErrVanished) || *n != 7 {
			t.Errorf("a vanished one: %v", err)
		}
	}
	if err := os.WriteFile(file, []byte("9"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Read(t.Context()); err != nil || *n != 9 {
		t.Errorf("back again: %d, %v", *n, err)
	}
}
