package reports

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/internal/kv"
)

// crashFile is where the process that a test kills keeps its reports.
const crashFile = "WIKIVEIL_TEST_CRASH_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		countUntilKilled(path)
	}
	goleak.VerifyTestMain(m)
}

const wiki = "https://wiki.example"

func own(origin string) bool { return origin == wiki }

// unlimited is for tests of something else.
var unlimited = Rate{PerSecond: 1e9, Burst: 1e9}

// ServeHTTP takes reports of the tests' wiki.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.ServeOwn(w, r, own) }

func collector(t testing.TB, config Config) *Collector {
	t.Helper()
	if config.Store == nil {
		store, err := kv.OpenBolt(t.TempDir()+"/reports.db", time.Now)
		if err != nil {
			t.Fatal(err)
		}
		config.Store = store
	}
	if config.Flush == 0 {
		config.Flush = time.Hour
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func today(t testing.TB, c *Collector) *Snapshot {
	t.Helper()
	now := time.Now()
	s, err := c.Snapshot(t.Context(), now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func post(h http.Handler, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/.privacy/csp-reports", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/reports+json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// violationOf is a report as Chromium sends it.
func violationOf(blocked string) string {
	return `{"type":"csp-violation","age":1,"url":"` + wiki + `/wiki/A","body":{"documentURL":"` + wiki + `/wiki/A",` +
		`"effectiveDirective":"img-src","blockedURL":"` + blocked + `","disposition":"report"}}`
}
