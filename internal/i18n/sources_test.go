package i18n

import (
	"html"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// sources returns the program's files with an ending, by path, without tests and what isn't product.
func sources(t *testing.T, ending string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path != "." && strings.HasPrefix(entry.Name(), ".") || slices.Contains([]string{"integration", "bench", "contrib", "testdata", "docs", "i18n"}, entry.Name())):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ending) || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(root, path)
		found[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Where sources name a message.
var (
	inTemplates = regexp.MustCompile(`\.(?:T|Plain) "([^"]+)"`)
	inGo        = regexp.MustCompile(`(?m)^[^/\n]*(?:refusal\.New\([^",]+, (?:"\w+"|[\w.]+), |page\.For\(\w+, |\.(?:Text|HTML|Plain|T)\(|i18n\.Message\{Key: )"([a-z][a-z0-9-]*[a-z0-9])"`)
	anyKey      = regexp.MustCompile(`"(-?[a-z0-9]+(?:-[a-z0-9]+)*-?)(?:%s)?"`)
)

// TestKeysInSources: a page that names a message which there isn't would fail for its reader, and a message that nothing names is translated in vain.
func TestKeysInSources(t *testing.T) {
	english, err := readFile(files, "en")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{"language-name": true, "languages": true}
	named := 0
	note := func(path, text string, key *regexp.Regexp) {
		for _, m := range key.FindAllStringSubmatch(text, -1) {
			named++
			if english[m[1]] == "" {
				t.Errorf("%s: there is no message %q", path, m[1])
			}
		}
		for _, m := range anyKey.FindAllStringSubmatch(text, -1) {
			used[m[1]] = true
		}
	}
	for path, text := range sources(t, ".html") {
		note(path, text, inTemplates)
	}
	for path, text := range sources(t, ".go") {
		note(path, text, inGo)
	}
	if named < 150 {
		t.Errorf("only %d places that name a message were found", named)
	}
	for _, key := range slices.Sorted(maps.Keys(english)) {
		// A key that is put together stands there by its beginning, "kind-", or in two pieces, "mask-count" and "-more".
		begins := func(at int) bool { return used[key[:at+1]] || used[key[:at]] && used[key[at:]] }
		if used[key] || slices.ContainsFunc(positions(key, '-'), begins) {
			continue
		}
		t.Errorf("messages/en.json: %s: nothing in the program names it", key)
	}
}

func positions(text string, of byte) (all []int) {
	for i := range len(text) {
		if text[i] == of {
			all = append(all, i)
		}
	}
	return all
}

var (
	actions    = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	styles     = regexp.MustCompile(`(?s)<style.*?</style>`)
	spoken     = regexp.MustCompile(`(?:title|aria-label|alt|placeholder|value)="([^"]*)"`)
	tags       = regexp.MustCompile(`(?s)<[^>]*>`)
	same       = regexp.MustCompile(`<dt>[A-D]</dt>|HTTP/[0-9.]+|SHA-256|wikiveil tools verify`) // labels, and what is the same in all languages
	notReaders = []string{"rolloutpage.html", "forecastpage.html"}                               // of the admin API, for operators
)

// TestPagesHaveNoTextOfTheirOwn looks at what stands between the actions of templates, in all their branches: no word may be there, nor in what is read out.
func TestPagesHaveNoTextOfTheirOwn(t *testing.T) {
	pages := sources(t, ".html")
	if len(pages) < 8 {
		t.Errorf("only %d pages were found", len(pages))
	}
	for path, text := range pages {
		if slices.ContainsFunc(notReaders, func(name string) bool { return strings.HasSuffix(path, name) }) {
			continue
		}
		text = actions.ReplaceAllString(styles.ReplaceAllString(text, ""), "")
		text = same.ReplaceAllString(text, "")
		for _, m := range spoken.FindAllStringSubmatch(text, -1) {
			if own := letters(m[1]); own != "" && m[0] != `value="1"` {
				t.Errorf("%s: says %q by itself", path, m[0])
			}
		}
		for line := range strings.Lines(tags.ReplaceAllString(text, " ")) {
			if letters(html.UnescapeString(line)) != "" {
				t.Errorf("%s: says %q by itself", path, strings.TrimSpace(line))
			}
		}
	}
}

func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, text)
}
