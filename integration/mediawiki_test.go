//go:build integration

package integration

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	adminName     = "Admin"
	adminPassword = "correct horse battery"
)

// wiki is one installation of MediaWiki: its settings, SQLite databases, uploads
// and logs. MediaWiki's own code stays where it was unpacked.
type wiki struct{ dir, code string }

const loadAbuseFilter = "wfLoadExtension( 'AbuseFilter' );\n"

//go:embed testdata/LocalSettings.php
var localSettings string

//go:embed testdata/dump.php
var dumpScript string

// mediaWikiCode is the directory of a version of Debian's unpacked and unmodified MediaWiki.
func mediaWikiCode(version string) (string, error) {
	dir, err := filepath.Abs("../.cache/mediawiki-" + version + "/usr/share/mediawiki")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "index.php")); err != nil {
		return "", fmt.Errorf("MediaWiki %s is not unpacked, `scripts/install-test-programs` does it: %w", version, err)
	}
	return dir, nil
}

// installWikis installs each version that tests run on.
func installWikis() error {
	shared.templates = map[string]*wiki{}
	for _, r := range releases {
		if shared.templates[r.version] != nil {
			continue
		}
		template, err := installWiki(filepath.Join(shared.dir, "template-"+r.version), r.version)
		if err != nil {
			return err
		}
		shared.templates[r.version] = template
	}
	return nil
}

// installWiki runs MediaWiki's installer and warms its localisation cache.
func installWiki(dir, version string) (*wiki, error) {
	code, err := mediaWikiCode(version)
	if err != nil {
		return nil, err
	}
	w := &wiki{dir: dir, code: code}
	for _, sub := range []string{"data", "images", "cache"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	err = w.php(filepath.Join(code, "maintenance/install.php"),
		"--dbtype", "sqlite", "--dbpath", w.data(), "--dbname", "wiki", "--pass", adminPassword,
		"--scriptpath", "", "--server", "http://"+wikiHost, "--skins", "Vector", "--extensions", "AbuseFilter",
		"--confpath", dir, "Veiled", adminName)
	if err != nil {
		return nil, err
	}
	generated, err := os.ReadFile(w.settings())
	if err != nil {
		return nil, err
	}
	// A copy of the wiki finds its files beside its settings. It has AbuseFilter's tables, and loads it in the tests of it alone.
	settings := strings.ReplaceAll(string(generated), `"`+dir, `__DIR__ . "`) + localSettings
	settings = strings.ReplaceAll(settings, loadAbuseFilter, "")
	if err := os.WriteFile(w.settings(), []byte(settings), 0o600); err != nil {
		return nil, err
	}
	return w, w.php(filepath.Join(code, "maintenance/rebuildLocalisationCache.php"), "--lang", "en")
}

// newWiki copies the installed wiki of a release, with more settings in PHP.
func newWiki(t *testing.T, r release, settings string) *wiki {
	t.Helper()
	dir, err := os.MkdirTemp(shared.dir, "wiki")
	if err != nil {
		t.Fatal(err)
	}
	template := shared.templates[r.version]
	if err := os.CopyFS(dir, os.DirFS(template.dir)); err != nil {
		t.Fatal(err)
	}
	w := &wiki{dir: dir, code: template.code}
	file, err := os.OpenFile(w.settings(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteString(r.settings + settings)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *wiki) settings() string { return filepath.Join(w.dir, "LocalSettings.php") }
func (w *wiki) data() string     { return filepath.Join(w.dir, "data") }

// php runs a PHP script of this wiki on the command line.
func (w *wiki) php(script string, args ...string) error {
	cmd := exec.Command("php", append([]string{script}, args...)...)
	// The installer would take a configured file for an installed wiki.
	if filepath.Base(script) != "install.php" {
		cmd.Env = append(os.Environ(), "MW_CONFIG_FILE="+w.settings())
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s: %w\n%s", filepath.Base(script), err, out)
	}
	return nil
}

// dump returns each value of each row of the wiki's databases, inflated where
// MediaWiki stored it deflated: a search of the files alone would miss those.
func (w *wiki) dump(t *testing.T) []byte {
	t.Helper()
	cmd := exec.Command("php", "--", w.data())
	cmd.Stdin = strings.NewReader(dumpScript)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("dumping the databases: %v\n%s", err, out)
	}
	return out
}
