package access

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
)

var testKey = []byte("an example of a key of 32 bytes.")

func quotas(t *testing.T, path string, limits Limits) *Quotas {
	t.Helper()
	counts, err := kv.OpenBolt(path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { counts.Close() })
	q, err := NewQuotas(counts, testKey, limits)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func header(r *http.Request) (id, name string) { return r.Header.Get("X-User"), r.Header.Get("X-User") }

type brokenResolver struct{}

func (brokenResolver) User(*http.Request) (User, error) { return User{}, errors.New("secret cause") }

func TestGate(t *testing.T) {
	for name, c := range map[string]struct {
		user   string
		right  Right
		units  int
		want   string
		status int
		says   string
	}{
		"info":             {"patroller", Info, 1, "", 0, ""},
		"comparison":       {"patroller", Info, 20, "", 0, ""},
		"all at once":      {"patroller", Info, 100, "", 0, ""},
		"too many":         {"patroller", Info, 101, NoQuota, 429, `quota of 100 a day for "info" does not suffice: 100 left until 2000-01-02T00:00:00Z`},
		"reveal":           {"checker", Reveal, 20, "", 0, ""},
		"too many reveals": {"checker", Reveal, 21, NoQuota, 429, `quota of 20 a day for "reveal"`},
		"no right":         {"patroller", Reveal, 1, NoRight, 403, `right "reveal"`},
		"reveal only":      {"revealer", Info, 1, NoRight, 403, `right "info"`},
		"audit":            {"auditor", Audit, 1_000_000, "", 0, ""},
		"audit without":    {"checker", Audit, 1, NoRight, 403, `right "audit"`},
		"no rights at all": {"plain", Info, 1, NoRight, 403, `right "info"`},
		"nobody":           {"", Info, 1, Anonymous, 403, "not logged in"},
		"no such right":    {"checker", 0, 1, NoRight, 403, "right 0"},
		"negative":         {"patroller", Info, -5, Unavailable, 503, "could not be checked"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(90 * time.Minute) // since midnight
				q := quotas(t, filepath.Join(t.TempDir(), "quotas.db"), Limits{})
				g := &Gate{Quotas: q, Users: Fixed{ID: header, Rights: map[string]Rights{"patroller": RightsOf(Info),
					"checker": RightsOf(Info, Reveal), "revealer": RightsOf(Reveal), "auditor": RightsOf(Audit)}}}
				r := visitor("")
				r.Header.Set("X-User", c.user)
				user, err := g.Admit(r, c.right, c.units)
				if reason := reasonOf(t, err); reason != c.want {
					t.Fatalf("got %v, want %q", err, c.want)
				}
				if c.want == "" {
					if user.ID != FixedUsers+c.user {
						t.Errorf("user %+v", user)
					}
					return
				}
				refusal := refusalOf(t, err)
				if refusal.Status != c.status || !strings.Contains(err.Error(), c.says) {
					t.Errorf("status %d, %q; want %d, %q", refusal.Status, err, c.status, c.says)
				}
				if c.want == NoQuota && !refusal.Reset.Equal(time.Now().UTC().Truncate(day).Add(day)) {
					t.Errorf("refusal %+v", refusal)
				}
				for right, limit := range map[Right]int{Info: DefaultInfo, Reveal: DefaultReveal} {
					if left, err := q.Take(t.Context(), c.user, right, 0); left != limit || err != nil {
						t.Errorf("a refusal took from the quota: %d of %d left, %v", left, limit, err)
					}
				}
			})
		})
	}
}

func TestGateHidesCauses(t *testing.T) {
	g := &Gate{Users: brokenResolver{}}
	_, err := g.Admit(visitor(""), Info, 1)
	if r := refusalOf(t, err); r.Reason != Unavailable || strings.Contains(err.Error(), "secret") || r.Cause == nil {
		t.Errorf("got %v, cause %v", err, r.Cause)
	}
}

func TestGateOfARealWiki(t *testing.T) {
	w := startWiki(t, nil)
	q := quotas(t, filepath.Join(t.TempDir(), "quotas.db"), Limits{Info: 3, Reveal: 1})
	g := &Gate{Users: resolver(t, MediaWikiConfig{API: w.URL, Site: "wiki"}), Quotas: q}
	for i, c := range []struct {
		session string
		right   Right
		units   int
		want    string
	}{
		{"patroller", Info, 2, ""},
		{"checkuser", Info, 3, ""}, // another user has another quota
		{"patroller", Info, 2, NoQuota},
		{"patroller", Info, 1, ""},
		{"patroller", Info, 1, NoQuota},
		{"patroller", Reveal, 1, NoRight},
		{"checkuser", Reveal, 1, ""},
		{"checkuser", Reveal, 1, NoQuota},
		{"checkuser", Audit, 1, ""},
		{"blocked-sitewide", Info, 1, Blocked},
		{"blocked-partly", Info, 1, ""},
		{"plain", Info, 1, NoRight},
		{"", Info, 1, Anonymous},
	} {
		if _, err := g.Admit(visitor(c.session), c.right, c.units); reasonOf(t, err) != c.want {
			t.Errorf("%d: %s, %v: got %v, want %q", i, c.session, c.right, err, c.want)
		}
	}
}

func TestQuotaBeginsAnewEachDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := quotas(t, filepath.Join(t.TempDir(), "quotas.db"), Limits{Reveal: 2})
		take := func(want string) {
			t.Helper()
			if _, err := q.Take(t.Context(), "4", Reveal, 1); reasonOf(t, err) != want {
				t.Errorf("got %v, want %q", err, want)
			}
		}
		take("")
		take("")
		take(NoQuota)
		time.Sleep(day - time.Second)
		take(NoQuota)
		time.Sleep(time.Second)
		take("")
		take("")
		take(NoQuota)
		time.Sleep(100 * day)
		take("")
	})
}

// When the clock goes back by a day or two, what was taken then still counts.
func TestClockGoingBackwards(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quotas.db")
	run := func(after time.Duration, want string) {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(after)
			q := quotas(t, path, Limits{Reveal: 2})
			if _, err := q.Take(t.Context(), "4", Reveal, 2); reasonOf(t, err) != want {
				t.Errorf("after %v: got %v, want %q", after, err, want)
			}
		})
	}
	run(0, "")
	run(3*day, "")
	run(0, NoQuota)
	run(3*day, NoQuota)
	run(4*day, "")
}

func TestQuotasTellNoUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quotas.db")
	q := quotas(t, path, Limits{})
	if _, err := q.Take(t.Context(), "patroller-4711", Info, 1); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("4711")) {
		t.Error("the file holds the user's id")
	}
	if q.keyOf("1", Info) == q.keyOf("1", Reveal) || q.keyOf("1", Info) == q.keyOf("2", Info) {
		t.Error("the key does not tell users and rights apart")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 600", info.Mode(), err)
	}
}

func TestQuotasAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		key    []byte
		limits Limits
		want   string
	}{
		"defaults":        {testKey, Limits{}, ""},
		"short key":       {testKey[:31], Limits{}, "shorter than 32 bytes"},
		"negative":        {testKey, Limits{Info: -1}, `"info" is not from 1`},
		"negative reveal": {testKey, Limits{Reveal: -1}, `"reveal" is not from 1`},
		"unlimited":       {testKey, Limits{Info: MaxLimit + 1}, `"info" is not from 1`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewQuotas(nil, c.key, c.limits)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

type failingCounts struct{ kv.Store }

func (failingCounts) Add(context.Context, int, ...kv.Counter) ([]int, int, error) {
	return nil, -1, errors.New("disk on fire")
}

func TestNoCountMeansNoAdmission(t *testing.T) {
	q, err := NewQuotas(failingCounts{}, testKey, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = q.Take(t.Context(), "4", Info, 1)
	if r := refusalOf(t, err); r.Reason != Unavailable || r.Status != 503 {
		t.Errorf("got %v", err)
	}
}

func TestRightsRead(t *testing.T) {
	for _, r := range []Right{Info, Reveal, Audit} {
		if back, err := ParseRight(r.String()); back != r || err != nil {
			t.Errorf("%v reads back as %v, %v", r, back, err)
		}
		if RightsOf().Has(r) || !RightsOf(r).Has(r) {
			t.Errorf("sets do not tell %v", r)
		}
	}
	if _, err := ParseRight("block"); err == nil || !strings.Contains(err.Error(), `"block" is not one of info, reveal, audit`) {
		t.Errorf("got %v", err)
	}
	if set := RightsOf(Audit, Info); !set.Has(Audit) || !set.Has(Info) || set.Has(Reveal) {
		t.Errorf("got %b", set)
	}
}
