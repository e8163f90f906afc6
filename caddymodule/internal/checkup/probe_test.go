package checkup

import (
	"net/http/httptest"
	"testing"
	"time"
)

// A token is for one request and a minute. Its header goes no further, and who has it later moves nothing.
func TestTokenHoldsOnce(t *testing.T) {
	var probes Probes
	meet := func(token, mask string) (looked bool) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(Header, token)
		probes.Meet(r, func() Seen { looked = true; return Seen{Mask: mask} })
		if r.Header[Header] != nil {
			t.Errorf("the header of %s goes on", mask)
		}
		return looked
	}
	token := probes.New(time.Now())
	if !meet(token, "the first") || meet(token, "the second") {
		t.Error("not the first request alone is looked at")
	}
	if seen := probes.Take(token); !seen.Arrived || seen.Mask != "the first" {
		t.Errorf("got %+v", seen)
	}
	old := probes.New(time.Now().Add(-2 * probeTime))
	if meet(old, "too late") || probes.Take(old).Arrived || probes.waiting.Load() != 0 {
		t.Error("a request that came too late is looked at, or still waited for")
	}
}
