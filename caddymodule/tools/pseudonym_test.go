package tools

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/noticeboard"
)

var pseudonymText = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)

// sentPseudonym asks a tool and returns the pseudonym that it got.
func sentPseudonym(t *testing.T, e *edgetest.Edge, source, path string, tool *edgetest.Backend) string {
	t.Helper()
	resp, body := askFrom(t, e, source, path)
	requests := tool.Take()
	if resp.StatusCode != 200 || len(requests) != 1 {
		t.Fatalf("%s: %d %s, and the tool was asked %d times", path, resp.StatusCode, body, len(requests))
	}
	return requests[0].Header.Get(anonproxy.PseudonymHeader)
}

func TestToolPseudonym(t *testing.T) {
	maps, other := edgetest.JSONTool(t), edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", maps, `, "pseudonym": true`), fileTool("other", other, `, "pseudonym": true`), fileTool("plain", other, ""))
	alice, bob := "127.61.2.1", "127.61.2.2"
	var first string
	for first == "" { // not over midnight
		day := time.Now().UTC().Day()
		first = sentPseudonym(t, e, alice, "maps/x", maps)
		again, another, elsewhere := sentPseudonym(t, e, alice, "maps/y", maps), sentPseudonym(t, e, bob, "maps/x", maps), sentPseudonym(t, e, alice, "other/x", other)
		e.Load(t, boardSite)
		reloaded := sentPseudonym(t, e, alice, "maps/x", maps)
		if time.Now().UTC().Day() != day {
			first = ""
			continue
		}
		if !pseudonymText.MatchString(first) || again != first || reloaded != first {
			t.Errorf("one reader's: %q, %q, %q after a reload", first, again, reloaded)
		}
		if another == first || elsewhere == first || !pseudonymText.MatchString(another) || !pseudonymText.MatchString(elsewhere) {
			t.Errorf("another reader's %q, at another tool %q, the first %q", another, elsewhere, first)
		}
	}
	if got := sentPseudonym(t, e, alice, "plain/x", other); got != "" {
		t.Errorf("a tool that declares none gets %q", got)
	}
	e.Rotate(t)
	if got := sentPseudonym(t, e, alice, "maps/x", maps); got == first || !pseudonymText.MatchString(got) {
		t.Errorf("after a rotation: %q, before %q", got, first)
	}
	html, _ := boardPage(t, e)
	wantWords(t, "the page", html, "Can it tell readers apart?")
}

// Without a mask there is no pseudonym, and without that no request.
func TestToolPseudonymNeedsAMask(t *testing.T) {
	maps := edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", maps, `, "pseudonym": true`))
	e.Load(t, strings.Replace(boardSite, "client_mask", "", 1))
	resp, body := askFrom(t, e, "127.61.2.1", "maps/x")
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "the pseudonym that the tool is declared to get can't be made") || len(maps.Take()) != 0 {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

func TestPseudonymsOfDaysAndEpochs(t *testing.T) {
	secrets := func(some ...string) string {
		return "{\n{GLOBAL}\nwikiveil {\nsecret " + strings.Join(some, " ") + "\n}\n}\nhttp://{SITE} {\nanonproxy\n}\n"
	}
	one, two := strings.Repeat("01", 32), strings.Repeat("02", 32)
	e := edgetest.New(t, secrets(one))
	keys := edgetest.Handler[*AnonProxy](t).app.Keys()
	ring, err := masking.ConfiguredRing(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	p := &pseudonyms{keys: keys}
	tool := &noticeboard.Tool{Name: "maps", Origin: "https://maps.example.org"}
	alice := anonproxy.Reader{Client: "2001:2f::a"}
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	first := p.of(tool, alice, noon)
	key, err := ring.Active(time.Now(), 0)[0].Key("pseudonym")
	if err != nil {
		t.Fatal(err)
	}
	if want := anonproxy.Pseudonym(key, noon, tool, alice.Client); first != want || !pseudonymText.MatchString(first) {
		t.Errorf("got %q, want %q", first, want)
	}
	if p.of(tool, alice, noon.Add(11*time.Hour)) != first || p.of(tool, alice, noon.Add(12*time.Hour)) == first {
		t.Error("it is to be one for a day, and another on the next")
	}
	if got := p.of(tool, anonproxy.Reader{}, noon); got != "" {
		t.Errorf("nobody's is %q", got)
	}
	e.Load(t, secrets(two, one))
	p.keys = edgetest.Handler[*AnonProxy](t).app.Keys()
	if p.of(tool, alice, noon) == first {
		t.Error("it outlives its epoch")
	}
	if got := (&pseudonyms{keys: new(edge.KeyRing)}).of(tool, alice, noon); got != "" {
		t.Errorf("without a key it is %q", got)
	}
}
