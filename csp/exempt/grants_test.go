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

func someGrants(n int) (g Grants) {
	for i := range n {
		g, _ = g.Add(Grant{fmt.Sprintf("tool-%d", i), time.Unix(1_800_000_000, 0), confirm.Binding{byte(i)}})
	}
	return g
}

func names(g Grants) string {
	var list []string
	for _, one := range g.List() {
		list = append(list, one.Tool)
	}
	return strings.Join(list, " ")
}

func TestGrants(t *testing.T) {
	g := someGrants(3)
	if got := names(g); got != "tool-0 tool-1 tool-2" {
		t.Fatal(got)
	}
	again, err := g.Add(Grant{"tool-1", time.Unix(1_900_000_000, 5), confirm.Binding{9}})
	if got := names(again); err != nil || got != "tool-0 tool-2 tool-1" || again.list[2].State != (confirm.Binding{9}) || again.list[2].Issued.Nanosecond() != 0 {
		t.Errorf("a grant was not replaced: %v, %v", again, err)
	}
	if got := names(g.Remove("tool-1").Remove("nosuch")); got != "tool-0 tool-2" || g.Len() != 3 {
		t.Errorf("got %q and %d", got, g.Len())
	}
	full := someGrants(MaxGrants)
	if got, err := full.Add(Grant{Tool: "one-more"}); !errors.Is(err, ErrTooMany) || got.Len() != MaxGrants {
		t.Errorf("got %d, %v", got.Len(), err)
	}
	if _, err := full.Add(Grant{Tool: "tool-3"}); err != nil {
		t.Errorf("one of them again: %v", err)
	}
	if got := g.Expires(); !got.Equal(time.Unix(1_800_000_000, 0).Add(Life)) {
		t.Errorf("they end %v", got)
	}
}

func TestCookieSize(t *testing.T) {
	var g Grants
	var err error
	for i := range MaxGrants {
		name := fmt.Sprintf("%s%02d", strings.Repeat("x", MaxName-2), i)
		if g, err = g.Add(Grant{name, time.Now(), confirm.Binding{1}}); err != nil {
			t.Fatal(err)
		}
	}
	k := mustKeys(t, 1)
	value, err := k.seal(wiki, confirm.BrowserID{1}, g)
	if err != nil || len(GrantsCookie)+1+len(value) > 2400 {
		t.Fatalf("%d grants take %d bytes (%v)", MaxGrants, len(value), err)
	}
	got, err := k.open(wiki, confirm.BrowserID{1}, value)
	if err != nil || !slices.Equal(got.list, g.list) {
		t.Errorf("got %v (%v), want %v", got, err, g)
	}
}

func TestEncodingRefuses(t *testing.T) {
	for name, one := range map[string]Grant{
		"no name": {}, "a long name": {Tool: strings.Repeat("x", 256), Issued: time.Unix(1, 0)},
		"before 1970": {Tool: "x", Issued: time.Unix(-1, 0)}, "after 2106": {Tool: "x", Issued: time.Unix(1<<32, 0)},
	} {
		if _, err := (Grants{[]Grant{one}}).AppendBinary(nil); err == nil {
			t.Errorf("%s: it is encoded", name)
		}
	}
}

func FuzzGrants(f *testing.F) {
	for _, n := range []int{0, 1, 2, MaxGrants} {
		b, err := someGrants(n).AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, 1))
		f.Add(append(b, b...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var g Grants
		if g.UnmarshalBinary(b) != nil {
			return
		}
		again, err := g.AppendBinary(nil)
		if err != nil || !bytes.Equal(again, b) || g.Len() > MaxGrants {
			t.Errorf("%x became %v and %x (%v)", b, g, again, err)
		}
	})
}

// Nothing opens but what was sealed.
func FuzzOpen(f *testing.F) {
	k, browser := mustKeys(f, 1), confirm.BrowserID{7}
	genuine, err := k.seal(wiki, browser, someGrants(3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(genuine)
	f.Add(genuine[:len(genuine)-1])
	f.Add(genuine + "=")
	f.Add(genuine[:10] + "\n" + genuine[10:])
	f.Add(base64.RawURLEncoding.EncodeToString(make([]byte, 100)))
	f.Add("")
	f.Fuzz(func(t *testing.T, value string) {
		if _, err := k.open(wiki, browser, value); err == nil && value != genuine {
			t.Errorf("%q opens", value)
		}
	})
}

func TestKeys(t *testing.T) {
	if _, err := NewKeys(make([]byte, 31)); err == nil || !strings.Contains(err.Error(), "32 bytes") {
		t.Errorf("got %v", err)
	}
	if _, err := NewKeys(material(1), nil); err == nil {
		t.Error("an older key may be empty")
	}
	k := mustKeys(t, 1)
	if s := fmt.Sprintf("%v %+v %#v", k, k, k); strings.Contains(s, "[") || strings.Contains(s, "{") {
		t.Errorf("the keys show: %s", s)
	}
	value, err := mustKeys(t, 2).seal(wiki, confirm.BrowserID{}, someGrants(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mustKeys(t, 1, 3, 2).open(wiki, confirm.BrowserID{}, value); err != nil {
		t.Errorf("an older key's: %v", err)
	}
}
