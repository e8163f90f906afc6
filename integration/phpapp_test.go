//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// withoutEngines leaves out DokuWiki and WordPress. Only scripts/test sets it, where they or MariaDB can't be had, and says so.
const withoutEngines = "WIKIVEIL_TEST_WITHOUT_ENGINES"

// phpApp is another app than MediaWiki: a copy of Debian's package, and the wiki or blog that it keeps.
type phpApp struct {
	dir     string // its code, which is also the root of its site
	private string // paths that are for nobody
	ready   time.Time
}

// copyApp copies a program of Debian's packages, whose files name others by their paths on a machine where the packages are installed.
func copyApp(t *testing.T, name string) *phpApp {
	t.Helper()
	if os.Getenv(withoutEngines) != "" {
		t.Skip("without " + name + ", as scripts/test says")
	}
	packages, err := filepath.Abs("../.cache/engines")
	if err != nil {
		t.Fatal(err)
	}
	a := &phpApp{dir: filepath.Join(t.TempDir(), name)}
	if err := os.CopyFS(a.dir, os.DirFS(filepath.Join(packages, "usr/share", name))); err != nil {
		t.Fatalf("%v: `scripts/install-test-programs` unpacks it", err)
	}
	// Links to other packages, then names of their files.
	err = filepath.WalkDir(a.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.Type() == fs.ModeSymlink {
			to, err := filepath.EvalSymlinks(filepath.Join(packages, "usr/share", name, strings.TrimPrefix(path, a.dir)))
			return errors.Join(err, os.Remove(path), os.Symlink(to, path))
		}
		if filepath.Ext(path) != ".php" {
			return nil
		}
		code, err := os.ReadFile(path)
		if err == nil && bytes.Contains(code, []byte("'/usr/share/")) {
			err = os.WriteFile(path, bytes.ReplaceAll(code, []byte("'/usr/share/"), []byte("'"+packages+"/usr/share/")), 0o644)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// copyTo copies what Debian has elsewhere than the code.
func (a *phpApp) copyTo(t *testing.T, dir, from string) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(a.dir, dir), os.DirFS(filepath.Join("../.cache/engines", from))); err != nil {
		t.Fatal(err)
	}
}

// written returns what is in the files that the app wrote since it was ready.
func (a *phpApp) written(t *testing.T) []byte {
	t.Helper()
	return filesSince(t, a.dir, a.ready)
}

func (a *phpApp) write(t *testing.T, file, text string) {
	t.Helper()
	file = filepath.Join(a.dir, file)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func (a *phpApp) site(_ *testing.T, fastCGIOptions string) string {
	return strings.NewReplacer("DIR", a.dir, "PRIVATE", a.private, "SOCKET", shared.php.socket, "OPTIONS", fastCGIOptions).Replace(`
	root DIR
	@private path PRIVATE
	error @private 404
	php_fastcgi unix/SOCKET {
		OPTIONS
	}
	file_server
`)
}

// behind starts an edge before the app.
func (a *phpApp) behind(t *testing.T, f front, config edgeConfig) *scene {
	t.Helper()
	return &scene{edge: startEdge(t, f.config(t, a, config)), seen: new(transcript)}
}

var hiddenField = regexp.MustCompile(`<input type=['"]hidden['"] (?:id=['"][^'"]*['"] )?name=['"]([^'"]+)['"] value=['"]([^'"]*)['"]`)

// hiddenFields returns those of a page's forms.
func hiddenFields(page string) url.Values {
	form := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(page, -1) {
		form.Set(field[1], html.UnescapeString(field[2]))
	}
	return form
}

// blockAtEdge blocks a mask as `wikiveil block add` does.
func (e *edge) blockAtEdge(t *testing.T, mask netip.Addr) { e.changeBlock(t, "/wikiveil/blocks", mask) }

func (e *edge) unblockAtEdge(t *testing.T, mask netip.Addr) {
	e.changeBlock(t, "/wikiveil/blocks/remove", mask)
}

func (e *edge) changeBlock(t *testing.T, route string, mask netip.Addr) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"mask": mask, "reason": "vandalism"})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(e.admin+route, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s of %s: %s %s", route, mask, resp.Status, answer)
	}
}

// wantMasksAlone asserts that no visitor's address is in what was left behind, and that a client's mask is where it is sure to be.
func wantMasksAlone(t *testing.T, s *scene, left map[string][]byte, client string, known []string, visitors ...string) {
	t.Helper()
	left[edgeLogs], left[edgeStorage], left[adminAnswers] = filesUnder(t, s.edge.dir+"/logs"), filesUnder(t, s.edge.dir+"/storage"), s.adminAnswers(t)
	var addresses []netip.Addr
	for _, address := range append(visitors, client) {
		addresses = append(addresses, netip.MustParseAddr(address))
	}
	for where, what := range left {
		wantNoTrace(t, where, what, addresses...)
	}
	for _, where := range append(known, edgeLogs) {
		wantTrace(t, where, left[where], s.maskOf(t, client))
	}
}

// wantNoViolation asserts that nothing on a page violates the policy but what is known, as directive and beginning of the source.
func (b *browser) wantNoViolation(t *testing.T, when string, known ...string) {
	t.Helper()
	evaluate[chromedp.Void](t, b, violate) // when this has been seen, all before have been
	violations, _ := b.take()
	for _, v := range violations {
		what := v.Directive + " " + v.Blocked
		if !slices.ContainsFunc(append(known, "img-src http://sentinel.invalid/"), func(prefix string) bool { return strings.HasPrefix(what, prefix) }) {
			t.Errorf("%s: %s is stopped in %s", when, what, v.Document)
		}
	}
}
