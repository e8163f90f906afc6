package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/bench/internal/process"
)

// standIn is a soak of an edge that is nothing but a handler.
func standIn(t *testing.T, answer http.HandlerFunc) (*soak, *bytes.Buffer) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	out := new(bytes.Buffer)
	s := &soak{out: out, clients: newClients()}
	s.finder = finderOf(s.clients)
	address := server.Listener.Addr().String()
	s.edge = &edge{Process: &process.Process{Address: address, Dir: t.TempDir()}, admin: address}
	return s, out
}

func TestGrowthIsTold(t *testing.T) {
	for name, tt := range map[string]struct {
		goroutines []float64
		grew       bool
	}{
		"level":     {[]float64{60, 20, 22, 21, 20, 23, 21, 22}, false},
		"noise":     {[]float64{60, 60, 20, 70, 25, 65, 70, 22}, false},
		"more":      {[]float64{20, 20, 20, 20, 20, 40, 40, 40}, true},
		"ever more": {[]float64{20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68, 72, 76, 80}, true},
		"too few":   {[]float64{20, 20, 20}, true},
	} {
		s, out := standIn(t, nil)
		for _, n := range tt.goroutines {
			s.samples = append(s.samples, sample{goroutines: n})
		}
		s.judge()
		if (s.failed > 0) != tt.grew {
			t.Errorf("%s: %d faults: %s", name, s.failed, out)
		}
	}
}

func TestReceiversLook(t *testing.T) {
	for name, tt := range map[string]struct {
		header http.Header
		fault  string
	}{
		"mask":       {http.Header{"Client-Mask": {"2001:2f::9"}, "Soak-Client": {"1"}}, ""},
		"no mask":    {http.Header{"Soak-Client": {"1"}}, `the wiki got the mask ""`},
		"an address": {http.Header{"Client-Mask": {"2001:2f::9"}, "Soak-Client": {"1"}, "X-Note": {spellings(direct(1))[3]}}, "the wiki got a client's address"},
		"another's":  {http.Header{"Client-Mask": {"2001:2f::1"}, "Soak-Client": {"2"}}, "clients 1 and 2 have one mask, 2001:2f::1"},
	} {
		s, out := standIn(t, nil)
		wiki := newWiki(s.finder, s.fail)
		defer wiki.Close()
		first := httptest.NewRequest("GET", "/wiki/", nil)
		first.Header = http.Header{"Client-Mask": {"2001:2f::1"}, "Soak-Client": {"1"}}
		then := httptest.NewRequest("GET", "/wiki/", nil)
		then.Header = tt.header
		for _, r := range []*http.Request{first, then} {
			wiki.Config.Handler.ServeHTTP(httptest.NewRecorder(), r)
		}
		if !strings.Contains(out.String(), tt.fault) || (s.failed > 0) != (tt.fault != "") {
			t.Errorf("%s: %q, want %q", name, out, tt.fault)
		}
	}
}

func TestUnplannedAnswers(t *testing.T) {
	status, text := 0, ""
	s, _ := standIn(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	})
	ask := func(want ...int) error {
		return s.exchange(t.Context(), s.clients[0], "GET", "/", "", "", want...)
	}
	if status = 200; ask(200) != nil {
		t.Error("200 is a fault")
	}
	if status = 502; ask(200) == nil {
		t.Error("502 is none")
	}
	if status, text = 503, "not recorded yet"; ask(200, pending) != nil || ask(200) == nil {
		t.Error("this 503 is planned in one place, and only there")
	}
	if text = "can't"; ask(200, pending) == nil {
		t.Error("another 503 is none")
	}
}

func TestOutputsAreLookedThrough(t *testing.T) {
	leak := ""
	s, out := standIn(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() == leak {
			fmt.Fprint(w, forwarded6(3))
		}
	})
	for _, name := range append([]string{"", "panic"}, append(logs, answers...)...) {
		out.Reset()
		leak = name
		for _, file := range logs {
			line := "a line\n"
			switch {
			case file == name:
				line = fmt.Sprintf("a line about %s\n", direct(7))
			case name == "panic":
				line = "panic: at the disco\n"
			}
			if err := os.WriteFile(filepath.Join(s.edge.Dir, file), []byte(line), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.lookThrough(t.Context()); err != nil {
			t.Fatal(err)
		}
		if told := strings.Contains(out.String(), "FAULT"); told != (name != "") {
			t.Errorf("%s: %q", name, out)
		}
	}
}

func TestRacesOfOurs(t *testing.T) {
	const caddy, ours = "  github.com/caddyserver/caddy/v2.Run()\n      caddy.go:1\n", "  github.com/wikiveil/wikiveil/caddymodule/mask.apply()\n      mask.go:1\n"
	report := func(write, read string) string {
		return "WARNING: DATA RACE\nWrite at 0x1 by goroutine 1:\n  runtime.mapassign()\n      map.go:1\n" + write +
			"\nPrevious read at 0x1 by goroutine 2:\n" + read + "\nGoroutine 1 (running) created at:\n" + ours
	}
	for text, want := range map[string]bool{
		report(caddy, caddy): false, report(ours, caddy): true, report(caddy, ours): true, report(caddy+ours, caddy+ours): false, "": false,
	} {
		if got := isOurs(text); got != want {
			t.Errorf("%v, want %v:\n%s", got, want, text)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, args := range [][]string{{"-minutes", "0"}, {"-workers", "0"}, {"10"}, {"-minutes", "x"}} {
		if err := run(t.Context(), args, new(bytes.Buffer)); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

// What reloads cut off is no fault, but an edge is one that lets nothing come to its end.
func TestWhatNeverEndsIsTold(t *testing.T) {
	s, out := standIn(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	for n, a := range actions {
		if a.name == "aborted request" {
			continue // wants no answer
		}
		if a.name == "socket" || a.name == "bad request" { // these see the status first
			s.done[n].Store(20)
			s.cut[n].Store(15)
			continue
		}
		if err := a.do(t.Context(), s, s.clients[0]); !errors.Is(err, errCut) {
			t.Errorf("%s: %v", a.name, err)
		}
		s.done[n].Store(20)
		s.cut[n].Store(16)
	}
	s.judgeCut()
	if want := len(actions) - 3; s.failed != want || !strings.Contains(out.String(), "event stream: 16 of 20 were cut off") {
		t.Errorf("%d faults, want %d: %s", s.failed, want, out)
	}
}
