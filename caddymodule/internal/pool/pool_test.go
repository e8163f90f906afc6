package pool

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestAcquireSharesUntilTheLastRelease(t *testing.T) {
	p := New[*int](t.Name())
	var ended []string
	opened := 0
	open := func(own *Held) (*int, error) {
		opened++
		own.Add(func() error { ended = append(ended, "first"); return nil })
		own.Add(func() error { ended = append(ended, "second"); return errors.New("second failed") })
		return new(int), nil
	}
	var one, two Held
	a, err := p.Acquire(&one, "k", open)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Acquire(&two, "k", open)
	if err != nil || a != b || opened != 1 || p.Users("k") != 2 {
		t.Fatalf("the second has another value: %v, opened %d, users %d", err, opened, p.Users("k"))
	}
	if err := one.Release(); err != nil || ended != nil {
		t.Fatalf("it ended with the first: %v %v", err, ended)
	}
	if err := one.Release(); err != nil || p.Users("k") != 1 {
		t.Fatalf("released twice: %v, users %d", err, p.Users("k"))
	}
	if left := Left(t.Name()); len(left) != 1 {
		t.Errorf("left: %q", left)
	}
	if err := two.Release(); err == nil || !slices.Equal(ended, []string{"second", "first"}) {
		t.Errorf("the end: %v %q", err, ended)
	}
	if left := Left(t.Name()); left != nil {
		t.Errorf("left: %q", left)
	}
}

func TestAcquireThatFailsGivesBack(t *testing.T) {
	inner, outer := New[int](t.Name()+" inner"), New[int](t.Name()+" outer")
	var by Held
	bad := errors.New("bad")
	_, err := outer.Acquire(&by, "k", func(own *Held) (int, error) {
		if _, err := inner.Acquire(own, "k", func(*Held) (int, error) { return 1, nil }); err != nil {
			t.Error(err)
		}
		return 0, bad
	})
	if !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
	if left := Left(t.Name()+" inner", t.Name()+" outer"); left != nil {
		t.Errorf("left: %q", left)
	}
	if err := by.Release(); err != nil {
		t.Error(err)
	}
	for key, value := range inner.All() {
		t.Errorf("left: %s %d", key, value)
	}
}

// Whoever goes through a pool may acquire and release, and others may: nobody waits.
func TestAllHoldsNothing(t *testing.T) {
	p := New[int](t.Name())
	var held Held
	open := func(*Held) (int, error) { return 1, nil }
	if _, err := p.Acquire(&held, "a", open); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		for range p.All() {
			var other Held
			_, err := p.Acquire(&other, "b", open)
			done <- errors.Join(err, other.Release())
		}
	}()
	select {
	case err := <-done:
		if err := errors.Join(err, held.Release()); err != nil || Left(t.Name()) != nil {
			t.Errorf("%v, left %q", err, Left(t.Name()))
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits for itself")
	}
}

func TestReleaseWaitsForUsers(t *testing.T) {
	var late []error
	h := Held{Late: func(err error) { late = append(late, err) }}
	bad := errors.New("bad")
	h.Add(func() error { return bad })
	first, ok := h.Use()
	second, ok2 := h.Use()
	if !ok || !ok2 {
		t.Fatal("it can't be used")
	}
	first()
	if err := h.Release(); err != nil || late != nil {
		t.Fatalf("given back while in use: %v %v", err, late)
	}
	if _, ok := h.Use(); ok {
		t.Error("it can be used after Release")
	}
	second()
	if len(late) != 1 || !errors.Is(late[0], bad) {
		t.Errorf("after the last user: %v", late)
	}
}
