package caddymodule

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// docs/monitoring.md has every metric that exists, and no other.
func TestMetricsAreInTheDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	m := newMetrics()
	exist := make(map[string]bool)
	for _, collector := range []prometheus.Collector{
		m.masks, m.refused, m.tools, m.mirrors, m.refreshes, m.lookups, m.policies, m.reports, m.consents,
		boardReadings(nil), breakerReadings(), canaryReadings(nil), toolCacheReadings(nil), bookReadings(nil), clockReadings(nil), ringReadings(nil), storeReadings(),
	} {
		descs := make(chan *prometheus.Desc, 100)
		collector.Describe(descs)
		close(descs)
		for desc := range descs {
			_, name, _ := strings.Cut(desc.String(), `fqName: "`)
			name, _, _ = strings.Cut(name, `"`)
			exist[name] = true
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("docs/monitoring.md lacks %s", name)
			}
		}
	}
	if len(exist) < 20 {
		t.Errorf("only %d metrics", len(exist))
	}
	for _, name := range regexp.MustCompile("`(wikiveil_[a-z_]+)").FindAllStringSubmatch(string(page), -1) {
		if !exist[name[1]] {
			t.Errorf("docs/monitoring.md has %s, which doesn't exist", name[1])
		}
	}
}
