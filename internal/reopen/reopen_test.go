package reopen

import (
	"errors"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/health"
)

var (
	errFatal  = errors.New("fatal")
	errBroken = errors.New("broken")
	errOther  = errors.New("other")
)

// thing is a store that closes once.
type thing struct{ closed int }

func (s *thing) Close() error { s.closed++; return nil }

// scene opens things until fail is set.
type scene struct {
	fail   error
	opened []*thing
}

func (s *scene) config() Config[*thing] {
	return Config[*thing]{
		Open: func() (*thing, error) {
			if s.fail != nil {
				return nil, s.fail
			}
			s.opened = append(s.opened, new(thing))
			return s.opened[len(s.opened)-1], nil
		},
		Fatal:  func(err error) bool { return errors.Is(err, errFatal) },
		Broken: func(err error) bool { return errors.Is(err, errBroken) },
		Health: health.Watch("thing", "", nil), Every: time.Nanosecond,
	}
}

func TestFatal(t *testing.T) {
	s := &scene{fail: errFatal}
	if _, err := Open(s.config()); !errors.Is(err, errFatal) {
		t.Error(err)
	}
	if _, known := health.Up()["thing"]; known {
		t.Error("still counted")
	}
}

// A store that breaks is closed, down, and opened anew when that can be.
func TestBreaksAndComesBack(t *testing.T) {
	s := new(scene)
	store, err := Open(s.config())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Use(func(*thing) error { return errOther }); err != errOther || !health.Up()["thing"] {
		t.Errorf("an error of a kind: %v", err)
	}
	if err := store.Use(func(*thing) error { return errBroken }); err != errBroken || health.Up()["thing"] || s.opened[0].closed != 1 {
		t.Errorf("it breaks: %v", err)
	}
	s.fail = errFatal // no longer fatal: the edge runs
	if err := store.Use(func(*thing) error { return nil }); !errors.Is(err, errBroken) {
		t.Errorf("while down: %v", err)
	}
	store.trying.Wait()
	if err := store.Use(func(*thing) error { return nil }); !errors.Is(err, errFatal) {
		t.Errorf("still down: %v", err)
	}
	store.trying.Wait()
	s.fail = nil
	store.Use(func(*thing) error { return nil })
	store.trying.Wait()
	if err := store.Use(func(*thing) error { return nil }); err != nil || !health.Up()["thing"] {
		t.Errorf("back: %v", err)
	}
	if err := store.Close(); err != nil || s.opened[1].closed != 1 {
		t.Errorf("Close: %v", err)
	}
	if err := store.Use(func(*thing) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}
