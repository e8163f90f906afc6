package leakguard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/masking/spelling"
)

// costlyReader has cookies that a hostile page can set, or a hostile reader send: they begin alike, so
// that each place of a text that does too has to be compared with all of them.
func costlyReader() *Reader {
	r := new(Reader)
	for i := range 180 {
		r.Secrets = append(r.Secrets, Secret{Field: FieldCookie, Value: fmt.Sprintf("aaa%03d-8f3kQz91xLm", i)})
	}
	return r
}

// The guard's work is bounded by the request's size also where each place of a text could be the start of a
// secret. Work is counted, not timed.
func TestGuardsWorkOnPlacesThatLookLikeSecrets(t *testing.T) {
	r := costlyReader()
	text := []byte(strings.Repeat("a", 1<<20))
	g := new(guard)
	g.prepare(r.Secrets)
	g.work = leakWorkFactor*len(text) + leakWorkBase
	began := time.Now()
	_ = g.Text(spelling.View{Text: string(text)})
	t.Logf("%v, %d left", time.Since(began), g.work)
	if refused := r.Check(text, nil); refused != errUncheckable {
		t.Errorf("got %v, want that it can't be checked", refused)
	}
}
