package caddymodule

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// docs/monitoring.md has every metric that exists, and no other.
func TestMetricsAreInTheDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			data_dir {DIR}/data
			sightings
		}
	}
	http://{SITE} {
		client_mask
		csp
		anonproxy
	}`)
	exist := make(map[string]bool)
	descs := make(chan *prometheus.Desc)
	ctx := caddy.ActiveContext()
	go func() {
		ctx.GetMetricsRegistry().Describe(descs)
		close(descs)
	}()
	for desc := range descs {
		_, name, _ := strings.Cut(desc.String(), `fqName: "`)
		name, _, _ = strings.Cut(name, `"`)
		if !strings.HasPrefix(name, "wikiveil_") {
			continue
		}
		exist[name] = true
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/monitoring.md lacks %s", name)
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
	for _, file := range []string{"alerts.yml", "grafana-dashboard.json"} {
		text, err := os.ReadFile("../contrib/monitoring/" + file)
		names := regexp.MustCompile(`\bwikiveil_[a-z_]+`).FindAllString(string(text), -1)
		if err != nil || len(names) < 10 {
			t.Errorf("%s has %d metrics, %v", file, len(names), err)
		}
		for _, name := range names {
			if !exist[name] {
				t.Errorf("contrib/monitoring/%s has %s, which doesn't exist", file, name)
			}
		}
	}
}

// The sites that the quick start shows, and the config of the Debian package, are ones that the program takes, and need no fmt.
func TestShownConfigsAreTaken(t *testing.T) {
	page, err := os.ReadFile("../docs/quickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	packaged, err := os.ReadFile("../contrib/debian/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	sites := regexp.MustCompile(`(?m)^    wiki\.example\.org \{\n(?:    .*\n)+?    \}\n`).FindAllString(string(page), -1)
	commented := regexp.MustCompile(`(?m)^# wiki\.example\.org \{\n(?:# .*\n)+?# \}\n`).FindString(string(packaged))
	sites = append(sites, strings.TrimPrefix(strings.ReplaceAll(commented, "\n# ", "\n"), "# "))
	if len(sites) != 3 || commented == "" {
		t.Fatalf("%d sites: %q", len(sites), sites)
	}
	configs := []string{string(packaged)}
	for _, site := range sites {
		configs = append(configs, string(packaged)+site)
	}
	for i, config := range configs {
		_, warnings, err := edgetest.AdaptWarnings(config)
		// The quick start's sites are indented for its page.
		warnings = slices.DeleteFunc(warnings, func(w caddyconfig.Warning) bool { return i > 0 && strings.Contains(w.Message, "not formatted") })
		if err != nil || len(warnings) > 0 {
			t.Errorf("%v, %v\n%s", err, warnings, config)
		}
	}
}

// docs/refusals.md has every outcome of a request to a tool, and no other.
func TestRefusalsAreInTheDocs(t *testing.T) {
	source, err := os.ReadFile("../anonproxy/outcomes/outcomes.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/refusals.md")
	if err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(string(page), "\n## ")
	exist := make(map[string]bool)
	for _, found := range regexp.MustCompile(`(?m)^\t[A-Z]\w+ += "([a-z_]+)"`).FindAllSubmatch(source, -1) {
		exist[string(found[1])] = true
		if !strings.Contains(table, "`"+string(found[1])+"`") {
			t.Errorf("docs/refusals.md lacks %s", found[1])
		}
	}
	if len(exist) < 15 {
		t.Errorf("only %d outcomes", len(exist))
	}
	for row := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) < 3 {
			continue
		}
		for _, found := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[1], -1) {
			if !exist[found[1]] {
				t.Errorf("docs/refusals.md has %s, which doesn't exist", found[1])
			}
		}
	}
}

// Each link of the docs to one of them, a heading or a file of the project leads somewhere, and no page is too long.
func TestLinksAndLengthOfTheDocs(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	pages = append(pages, "../README.md", "../CONTRIBUTING.md", "../SECURITY.md", "../CHANGELOG.md")
	link, heading := regexp.MustCompile(`\]\(([^)\s]+)\)`), regexp.MustCompile(`(?m)^#+ (.+)$`)
	anchor := func(title string) string {
		return strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(title), ""), " ", "-")
	}
	read := func(page string) string {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	links := 0
	for _, page := range pages {
		if n := len(strings.Fields(read(page))); n > 1800 && page != "../README.md" {
			t.Errorf("%s has %d words: nobody reads so long a page, cut it or split it by who reads it", page, n)
		}
		for _, found := range link.FindAllStringSubmatch(read(page), -1) {
			file, part, _ := strings.Cut(found[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			links++
			to := page
			if file != "" {
				to = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s, which isn't there", page, found[1])
			} else if part != "" && !slices.ContainsFunc(heading.FindAllStringSubmatch(read(to), -1), func(h []string) bool { return anchor(h[1]) == part }) {
				t.Errorf("%s links to %s, which has no such heading", page, found[1])
			}
		}
	}
	if links < 30 {
		t.Errorf("only %d links", links)
	}
}

// There is no engine here to build the image with. What can be known without one: what it copies is in the checkout, it has the
// places that its config names, and no step runs as root in the end.
func TestContainerfileNamesWhatIsThere(t *testing.T) {
	text, err := os.ReadFile("../contrib/container/Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile("../contrib/debian/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	copied := regexp.MustCompile(`(?m)^COPY ([^-\s]\S*) (\S+)$`).FindAllStringSubmatch(string(text), -1)
	for _, from := range copied {
		if _, err := os.Stat(filepath.Join("..", from[1])); err != nil {
			t.Errorf("copies %s: %v", from[1], err)
		}
	}
	places := regexp.MustCompile(`(/var/lib|/run)/wikiveil\b`).FindAllString(string(config), -1)
	if len(copied) != 2 || len(places) < 3 {
		t.Fatalf("copies %q; the config names %q", copied, places)
	}
	for _, place := range places {
		if !strings.Contains(string(text), "--chown=65532:65532 /state "+place+"\n") {
			t.Errorf("the image has no %s of its user's", place)
		}
	}
	if !regexp.MustCompile(`(?m)^USER 65532:65532$`).Match(text) || !strings.Contains(string(text), `CMD ["run", "--config", "/etc/wikiveil/Caddyfile"]`) {
		t.Error("the image doesn't run as a user, or not with the config")
	}
}
