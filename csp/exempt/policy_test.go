package exempt

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func text(t csp.Template) string { return t.Header(csp.Nonce{}) }

func parsed(t testing.TB, texts ...string) *Policies {
	t.Helper()
	var base []csp.Policy
	for _, text := range texts {
		policy, err := csp.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		base = append(base, policy)
	}
	p, err := NewPolicies(0, base...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func oneTool(kinds []noticeboard.Kind, integrity ...string) []*Tool {
	tool := images("t")
	tool.Kinds, tool.Integrity = kinds, integrity
	return []*Tool{newTool(entryOf(tool))}
}

func TestWiden(t *testing.T) {
	for name, tt := range map[string]struct {
		policy    string
		kinds     []noticeboard.Kind
		integrity []string
		want      string
		err       error
	}{
		"every kind": {
			"default-src 'none'; script-src 'self'", []noticeboard.Kind{noticeboard.Img, noticeboard.Font, noticeboard.Style, noticeboard.Media, noticeboard.Data, noticeboard.Script}, []string{sri},
			"default-src 'none'; script-src 'self' '" + sri + "'; img-src https://t.example; font-src https://t.example; " +
				"style-src https://t.example; media-src https://t.example; connect-src https://t.example", nil,
		},
		"the default goes on holding": {"default-src 'self'", []noticeboard.Kind{noticeboard.Img}, nil, "default-src 'self'; img-src 'self' https://t.example", nil},
		"what nothing forbids":        {"frame-src 'none'", []noticeboard.Kind{noticeboard.Img, noticeboard.Style}, nil, "frame-src 'none'", nil},
		"an empty policy":             {"", []noticeboard.Kind{noticeboard.Img}, nil, "", nil},
		"style elements": {
			"style-src 'self'; style-src-elem 'self'", []noticeboard.Kind{noticeboard.Style}, nil, "style-src 'self'; style-src-elem 'self' https://t.example", nil,
		},
		"script elements": {
			"script-src 'unsafe-inline'; script-src-elem 'none'", []noticeboard.Kind{noticeboard.Script}, []string{sri},
			"script-src 'unsafe-inline'; script-src-elem '" + sri + "'", nil,
		},
		"several scripts": {
			"script-src 'self'", []noticeboard.Kind{noticeboard.Script}, []string{sri, strings.Replace(sri, "oq", "aa", 1)},
			"script-src 'self' '" + sri + "' '" + strings.Replace(sri, "oq", "aa", 1) + "'", nil,
		},
		"a script beside inline ones": {"script-src 'self' 'unsafe-inline'", []noticeboard.Kind{noticeboard.Script}, []string{sri}, "script-src 'self' 'unsafe-inline'", errScriptPolicy},
		"inline ones by default":      {"default-src 'unsafe-inline'", []noticeboard.Kind{noticeboard.Img, noticeboard.Script}, []string{sri}, "default-src 'unsafe-inline'", errScriptPolicy},
		"inline ones that are none any more": {
			"script-src 'unsafe-inline' 'strict-dynamic'", []noticeboard.Kind{noticeboard.Script}, []string{sri}, "script-src 'unsafe-inline' 'strict-dynamic' '" + sri + "' https://t.example, script-src 'self' 'unsafe-inline' 'unsafe-eval' https://t.example", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parsed(t, tt.policy).For(oneTool(tt.kinds, tt.integrity...))
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) || text(got[0]) != tt.want {
				t.Errorf("got %q (%v), want %q (%v)", text(got[0]), err, tt.want, tt.err)
			}
		})
	}
}

func TestWidenKeepsTheNonce(t *testing.T) {
	p := mustPolicies(t, "strict")
	got, err := p.For(oneTool([]noticeboard.Kind{noticeboard.Img, noticeboard.Script}, sri))
	if err != nil || !got[0].NeedsNonce() {
		t.Fatal(got, err)
	}
	nonce := csp.NewNonce()
	if header := got[0].Header(nonce); !strings.Contains(header, "'nonce-"+nonce.String()+"'") || !strings.Contains(header, "script-src 'self' 'nonce-"+nonce.String()+"' '"+sri+"'") {
		t.Error(header)
	}
}

// A board lets no such declaration through; if one did, nothing would come of it.
func TestWidenRefusesWhatIsNoSource(t *testing.T) {
	for _, origin := range []string{"https://x.example; script-src *", "https://x.example,default-src *", "https://x.example/\n", ""} {
		tool := images("t")
		tool.Origin = origin
		if got, err := parsed(t, "img-src 'self'").For([]*Tool{newTool(entryOf(tool))}); err == nil || text(got[0]) != "img-src 'self'" {
			t.Errorf("%q: got %q (%v)", origin, text(got[0]), err)
		}
	}
	tool := lib()
	tool.Integrity = []string{sri + "' 'unsafe-inline"}
	if got, err := parsed(t, "script-src 'self'").For([]*Tool{newTool(entryOf(tool))}); err == nil || text(got[0]) != "script-src 'self'" {
		t.Errorf("got %q (%v)", text(got[0]), err)
	}
}

func TestBothPoliciesAreWidened(t *testing.T) {
	got, err := parsed(t, "img-src 'self'", "", "img-src 'none'; font-src 'self'").For(oneTool([]noticeboard.Kind{noticeboard.Img}))
	if err != nil || len(got) != 3 || text(got[0]) != "img-src 'self' https://t.example" || text(got[1]) != "" || text(got[2]) != "img-src https://t.example; font-src 'self'" {
		t.Errorf("got %v (%v)", got, err)
	}
}

// Up to the last byte of the budget, all policies and the overhead together.
func TestBudget(t *testing.T) {
	const base = "img-src 'self'"
	need := len(base + " https://t.example")
	policy, err := csp.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		overhead int
		twice    bool
		want     error
	}{
		"one, fits":        {csp.Budget - need, false, nil},
		"one, over":        {csp.Budget - need + 1, false, errTooLarge},
		"two, fit":         {csp.Budget - 2*need, true, nil},
		"two, over by one": {csp.Budget - 2*need + 1, true, errTooLarge},
	} {
		bases := []csp.Policy{policy}
		if tt.twice {
			bases = append(bases, policy)
		}
		p, err := NewPolicies(tt.overhead, bases...)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time out of the cache
			got, err := p.For(oneTool([]noticeboard.Kind{noticeboard.Img}))
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("%s: got %v, want %v", name, err, tt.want)
			}
			if err != nil && (!errors.Is(err, csp.ErrTooLarge) || !strings.HasSuffix(err.Error(), ": t.") || text(got[0]) != base) {
				t.Errorf("%s: got %v and %q", name, err, text(got[0]))
			}
		}
	}
	if _, err := NewPolicies(csp.Budget-len(base)+1, policy); !errors.Is(err, csp.ErrTooLarge) {
		t.Errorf("a site's own over the budget: %v", err)
	}
}

func TestTheOrderOfToolsDoesNotMatter(t *testing.T) {
	a, w := newTool(entryOf(images("a"))), newTool(entryOf(weather()))
	p := parsed(t, "img-src 'self'")
	one, err := p.For([]*Tool{w, a})
	if err != nil {
		t.Fatal(err)
	}
	two, err := p.For([]*Tool{a, w})
	if err != nil || text(one[0]) != text(two[0]) || p.cache.Len() != 1 {
		t.Errorf("%q and %q, %d in the cache (%v)", text(one[0]), text(two[0]), p.cache.Len(), err)
	}
}

// A changed declaration is another set, and the cache stays bounded.
func TestCache(t *testing.T) {
	p := parsed(t, "img-src 'self'")
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range cachedSets {
				tool := images(fmt.Sprintf("t%d-%d", worker, i))
				got, err := p.For([]*Tool{newTool(entryOf(tool))})
				if err != nil || text(got[0]) != "img-src 'self' "+tool.Origin {
					t.Errorf("got %q (%v)", text(got[0]), err)
				}
			}
		})
	}
	all.Wait()
	if p.cache.Len() != cachedSets {
		t.Errorf("the cache has %d sets", p.cache.Len())
	}
}
