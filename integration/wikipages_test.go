//go:build integration

package integration

import (
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// step is something a person does on the wiki, and a condition for its page to be there.
type step struct {
	name  string
	do    []chromedp.Action[chromedp.Void]
	there string
}

// TestWikiPagesWorkUnderPolicy walks through the wiki's own pages with the policy on:
// each does what it is for, and nothing on it violates the policy or fails to load.
func TestWikiPagesWorkUnderPolicy(t *testing.T) {
	s := setScene(t, fronts[0], edgeConfig{site: clientMask + "csp\n"}, "")
	admin := s.visitAdmin(t, sysop)
	admin.save(t, "MediaWiki:Gadgets-definition", "* greet[ResourceLoader|default]|greet.js")
	admin.save(t, "MediaWiki:Gadget-greet.js", "window.greeted = true;")
	admin.save(t, "Sandbox", "The first text.")

	b := startBrowser(t)
	for _, step := range wikiSteps(t, s.url) {
		b.do(t, step.do...)
		b.waitFor(t, step.there)
		b.waitFor(t, modulesLoaded)
		// When the violation that this makes has been seen, all before have been.
		evaluate[chromedp.Void](t, b, violate)
		violations, failures := b.take()
		if len(violations) != 1 || violations[0].Blocked != "http://sentinel.invalid/" {
			t.Errorf("%s: violations other than the test's own: %+v", step.name, violations)
		}
		if len(failures) != 1 { // the sentinel, again
			t.Errorf("%s: loads that failed: %q", step.name, failures)
		}
	}
}

// modulesLoaded holds when all scripts that a page of MediaWiki asked for have run.
const modulesLoaded = `document.readyState === 'complete' && mw.loader.getModuleNames()
	.every(name => ['registered', 'ready'].includes(mw.loader.getState(name)))`

const violate = `new Promise(done => {
	addEventListener('securitypolicyviolation', event => event.blockedURI.includes('sentinel') && done());
	new Image().src = 'http://sentinel.invalid/';
})`

func wikiSteps(t *testing.T, base string) []step {
	open := func(path string) chromedp.Action[chromedp.Void] { return chromedp.Navigate(base + path) }
	steps := func(steps ...chromedp.Action[chromedp.Void]) []chromedp.Action[chromedp.Void] { return steps }
	return []step{
		{"view", steps(open("/index.php/Main_Page")), `document.querySelector('#mw-content-text .mw-parser-output') && window.greeted`},
		{"search as you type", steps(chromedp.SendKeys(chromedp.ID("searchInput"), "San")), `document.querySelector('.suggestions-result')`},
		{"search", steps(open("/index.php?search=first&fulltext=1")), `document.querySelector('.mw-search-result a')`},
		{"login form", steps(open("/index.php?title=Special:UserLogin")), `document.querySelector('#wpPassword1')`},
		{"login", steps(
			fillIn("wpName1", adminName), fillIn("wpPassword1", adminPassword),
			click("#wpLoginAttempt")), `document.querySelector('#pt-logout')`},
		{"edit", steps(open("/index.php?title=Sandbox&action=edit")), `document.querySelector('.wikiEditor-ui-toolbar .tool')`},
		{"preview", steps(fillIn("wpTextbox1", "The ''second'' text."), click("#wpPreview")),
			`document.querySelector('#wikiPreview i')?.textContent === 'second'`},
		{"show changes", steps(click("#wpDiff")), `document.querySelector('#wikiDiff .diff-addedline')`},
		{"save", steps(click("#wpSave")), `mw.config.get('wgAction') === 'view' && document.querySelector('.mw-parser-output i')`},
		{"history", steps(open("/index.php?title=Sandbox&action=history")), `document.querySelectorAll('#pagehistory li').length === 2`},
		{"diff", steps(click(".mw-history-compareselectedversions-button")), `document.querySelector('table.diff .diff-addedline')`},
		{"recent changes", steps(open("/index.php/Special:RecentChanges")), `document.querySelector('.mw-rcfilters-ui-filterWrapperWidget') && document.querySelector('.mw-changeslist-line')`},
		{"preferences", steps(open("/index.php/Special:Preferences")), `document.querySelector('#mw-prefs-form .oo-ui-tabSelectWidget')`},
		{"preferences of gadgets", steps(click(".oo-ui-tabOptionWidget:last-child")), `document.querySelector('#mw-prefsection-gadgets:not(.oo-ui-element-hidden)')`},
		{"upload form", steps(open("/index.php/Special:Upload")), `document.querySelector('#wpUploadFile')`},
		{"upload preview", steps(chromedp.SetUploadFiles(chromedp.ID("wpUploadFile"), []string{pictureFile(t)})), `document.querySelector('#mw-upload-thumbnail canvas')`},
		{"upload", steps(click("input[name=wpUpload]")), `document.querySelector('#file img')?.naturalWidth === 64`},
		{"log out", steps(click("#pt-logout a")), `document.querySelector('#pt-login')`},
		{"not there", steps(open("/index.php/Nowhere")), `document.querySelector('.noarticletext')`},
	}
}

// pictureFile writes a picture to upload.
func pictureFile(t *testing.T) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "Picture.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := png.Encode(file, image.NewGray(image.Rect(0, 0, 64, 48))); err != nil {
		t.Fatal(fmt.Errorf("writing a picture: %w", err))
	}
	return file.Name()
}
