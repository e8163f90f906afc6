package exempt

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

func someGrants(n int) (g grants) {
	for i := range n {
		g, _ = g.add(grant{fmt.Sprintf("tool-%d", i), time.Unix(1_800_000_000, 0), confirm.Binding{byte(i)}})
	}
	return g
}

func names(g grants) string {
	var list []string
	for _, one := range g {
		list = append(list, one.tool)
	}
	return strings.Join(list, " ")
}

func TestGrants(t *testing.T) {
	g := someGrants(3)
	if got := names(g); got != "tool-0 tool-1 tool-2" {
		t.Fatal(got)
	}
	again, err := g.add(grant{"tool-1", time.Unix(1_900_000_000, 5), confirm.Binding{9}})
	if got := names(again); err != nil || got != "tool-0 tool-2 tool-1" || again[2].state != (confirm.Binding{9}) || again[2].issued.Nanosecond() != 0 {
		t.Errorf("a grant was not replaced: %v, %v", again, err)
	}
	if got := names(g.without("tool-1").without("nosuch")); got != "tool-0 tool-2" || len(g) != 3 {
		t.Errorf("got %q and %d", got, len(g))
	}
	full := someGrants(maxGrants)
	if got, err := full.add(grant{tool: "one-more"}); !errors.Is(err, errTooMany) || len(got) != maxGrants {
		t.Errorf("got %d, %v", len(got), err)
	}
	if _, err := full.add(grant{tool: "tool-3"}); err != nil {
		t.Errorf("one of them again: %v", err)
	}
	if got := g.expires(); !got.Equal(time.Unix(1_800_000_000, 0).Add(Life)) {
		t.Errorf("they end %v", got)
	}
}

func TestCookieSize(t *testing.T) {
	var g grants
	var err error
	for i := range maxGrants {
		name := fmt.Sprintf("%s%02d", strings.Repeat("x", 61), i)
		if g, err = g.add(grant{name, time.Now(), confirm.Binding{1}}); err != nil {
			t.Fatal(err)
		}
	}
	s := newScene(t)
	value := s.seal(confirm.BrowserID{1}, g)
	if len(GrantsCookie)+1+len(value) > 2400 {
		t.Fatalf("%d grants take %d bytes", maxGrants, len(value))
	}
	got, err := openGrants(s.config.Flow, confirm.BrowserID{1}, value)
	if err != nil || !slices.Equal(got, g) {
		t.Errorf("got %v (%v), want %v", got, err, g)
	}
}

func TestEncodingRefuses(t *testing.T) {
	for name, one := range map[string]grant{
		"no name": {}, "a long name": {tool: strings.Repeat("x", 256), issued: time.Unix(1, 0)},
		"before 1970": {tool: "x", issued: time.Unix(-1, 0)}, "after 2106": {tool: "x", issued: time.Unix(1<<32, 0)},
	} {
		if _, err := (grants{one}).encode(); err == nil {
			t.Errorf("%s: it is encoded", name)
		}
	}
}

func FuzzGrants(f *testing.F) {
	for _, n := range []int{0, 1, 2, maxGrants} {
		b, err := someGrants(n).encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, 1))
		f.Add(append(b, b...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := decodeGrants(b)
		if err != nil {
			return
		}
		again, err := g.encode()
		if err != nil || !bytes.Equal(again, b) || len(g) > maxGrants {
			t.Errorf("%x became %v and %x (%v)", b, g, again, err)
		}
	})
}

// Nothing opens but what was sealed.
func FuzzOpen(f *testing.F) {
	s, browser := newScene(f), confirm.BrowserID{7}
	genuine := s.seal(browser, someGrants(3))
	f.Add(genuine)
	f.Add(genuine[:len(genuine)-1])
	f.Add(genuine + "=")
	f.Add(genuine[:10] + "\n" + genuine[10:])
	f.Add(base64.RawURLEncoding.EncodeToString(make([]byte, 100)))
	f.Add("")
	f.Fuzz(func(t *testing.T, value string) {
		if _, err := openGrants(s.config.Flow, browser, value); err == nil && value != genuine {
			t.Errorf("%q opens", value)
		}
	})
}
