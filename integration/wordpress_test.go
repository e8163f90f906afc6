//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wikiveil/wikiveil/internal/testutil"
)

// wordPress is a WordPress whose posts anyone may comment on, as Debian has it, with a MariaDB of its own.
type wordPress struct {
	*phpApp
	db *mariaDB
}

// wpSettings are what an installed WordPress has besides the lines of docs/engines.md.
const wpSettings = `<?php
%s
define( 'DB_NAME', 'wordpress' );
define( 'DB_USER', 'root' );
define( 'DB_PASSWORD', '' );
define( 'DB_HOST', 'localhost:%s' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'WP_HOME', 'http://' . $_SERVER['HTTP_HOST'] );
define( 'WP_SITEURL', WP_HOME );
define( 'DISABLE_WP_CRON', true );
$table_prefix = 'wp_';
defined( 'ABSPATH' ) || define( 'ABSPATH', __DIR__ . '/' );
require_once ABSPATH . 'wp-settings.php';
`

// wpQuiet is a plugin by which WordPress sends no request and no mail; what it would mail goes to PHP's log.
const wpQuiet = `<?php
add_filter( 'pre_http_request', static fn () => new WP_Error( 'offline' ) );
add_filter( 'pre_wp_mail', static function ( $_, $mail ) {
	error_log( 'mail: ' . print_r( $mail, true ) );
	return true;
}, 10, 2 );
`

func newWordPress(t *testing.T) *wordPress {
	t.Helper()
	w := &wordPress{phpApp: copyApp(t, "wordpress"), db: startMariaDB(t)}
	w.private = "/wp-config.php"
	w.write(t, "wp-config.php", fmt.Sprintf(wpSettings, fromDocs(t, "    if ( $_SERVER['REMOTE_ADDR']", "\n    }\n"), w.db.socket))
	w.write(t, "wp-content/mu-plugins/quiet.php", wpQuiet)
	w.db.query(t, "CREATE DATABASE wordpress")
	script, err := filepath.Abs("testdata/wordpress-install.php")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("php", script, wikiHost, adminPassword)
	cmd.Dir = w.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("installing WordPress: %v\n%s", err, out)
	}
	w.ready = time.Now()
	return w
}

// fromDocs returns what docs/engines.md has between two texts, with them.
func fromDocs(t *testing.T, begin, end string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/engines.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), begin)
	lines, _, complete := strings.Cut(rest, end)
	if !found || !complete {
		t.Fatalf("docs/engines.md has no lines from %q to %q", begin, end)
	}
	return begin + lines + end
}

// comment comments on the first post, and returns the status that it is answered.
func (w *wordPress) comment(t *testing.T, v *visitor) int {
	t.Helper()
	text := uniqueText()
	status, _ := v.post(t, "/wp-comments-post.php", url.Values{
		"comment_post_ID": {"1"}, "author": {"A reader"}, "email": {strings.ReplaceAll(text, " ", "") + "@reader.invalid"}, "comment": {text},
	})
	return status
}

// login logs the administrator in, after a wrong password.
func (w *wordPress) login(t *testing.T, v *visitor) {
	t.Helper()
	v.page(t, "/wp-login.php") // sets the cookie by which it sees that there are cookies
	for _, password := range []string{"wrong", adminPassword} {
		page := v.submit(t, "/wp-login.php", url.Values{"log": {"Admin"}, "pwd": {password}, "testcookie": {"1"}, "redirect_to": {"/wp-admin/"}})
		if strings.Contains(page, "wp-admin-bar-my-account") != (password == adminPassword) {
			t.Fatalf("the password %q logs in: %t", password, password != adminPassword)
		}
	}
}

// tour has visitors do what WordPress keeps addresses for, and returns what this left behind.
func (w *wordPress) tour(t *testing.T, s *scene, commenter, administrator *visitor) map[string][]byte {
	t.Helper()
	if status := w.comment(t, commenter); status != http.StatusOK {
		t.Fatalf("a comment is answered %d", status)
	}
	w.login(t, administrator)
	for _, path := range []string{"/wp-admin/edit-comments.php", "/wp-admin/", "/wp-admin/profile.php", "/wp-admin/privacy.php"} {
		administrator.page(t, path)
	}
	commenter.submit(t, "/wp-login.php?action=lostpassword", url.Values{"user_login": {"Admin"}}) // a mail that names who wants it
	return map[string][]byte{
		answers: s.seen.all(), databases: w.db.dump(t, "wordpress"), databaseFiles: filesUnder(t, w.db.dir), "the log of queries": filesUnder(t, w.db.queries),
		wikiFiles: w.written(t), phpLogs: filesUnder(t, shared.php.logs),
	}
}

// TestWordPress: WordPress knows who comments by their masks alone, and throttles and disallows by them.
func TestWordPress(t *testing.T) {
	w := newWordPress(t)
	known := []string{answers, databases, databaseFiles, "the log of queries", phpLogs}
	t.Run("without masks", func(t *testing.T) { // the baseline of the search
		s := w.behind(t, fronts[0], edgeConfig{unmasked: true})
		left := w.tour(t, s, s.visit(mallory), s.visit(mallory))
		for _, where := range known {
			wantTrace(t, where, left[where], netip.MustParseAddr(mallory))
		}
	})
	for _, f := range fronts {
		t.Run(f.name, func(t *testing.T) {
			s := w.behind(t, f, edgeConfig{site: "client_mask\n" + fromDocs(t, "    csp {\n", "\n    }\n")})
			a, b, c, d, admin := s.visit(alice), s.visit(bob), s.visit(carol), s.visit(dave), s.visit(sysop)
			left := w.tour(t, s, a, admin)
			if status := w.comment(t, a); status != http.StatusTooManyRequests {
				t.Errorf("alice's second comment within 15 seconds is answered %d", status)
			}
			if status := w.comment(t, b); status != http.StatusOK {
				t.Errorf("bob's comment after alice's is answered %d", status)
			}
			if page, mask := admin.page(t, "/wp-admin/edit-comments.php"), s.maskOf(t, bob).String(); !strings.Contains(page, mask) {
				t.Errorf("the administrator's list of comments lacks %s, bob's mask", mask)
			}

			// Carol's mask is disallowed in the settings.
			form := hiddenFields(admin.page(t, "/wp-admin/options-discussion.php"))
			form.Set("disallowed_keys", s.maskOf(t, carol).String())
			form.Set("comments_per_page", "50")
			form.Set("thread_comments_depth", "5")
			if status, _ := admin.post(t, "/wp-admin/options.php", form); status != http.StatusOK {
				t.Fatalf("the settings are answered %d", status)
			}
			for v, want := range map[*visitor]string{c: "trash", d: "1"} {
				w.comment(t, v)
				if got := w.db.query(t, "SELECT comment_approved FROM wordpress.wp_comments WHERE comment_author_IP = '"+s.maskOf(t, v.address).String()+"'"); got != want {
					t.Errorf("the comment from %s is %q, want %q", v.address, got, want)
				}
			}
			if mail := "originated from the IP address " + s.maskOf(t, alice).String(); !strings.Contains(string(left[phpLogs]), mail) {
				t.Errorf("the mail to who forgot a password doesn't say %q", mail)
			}

			// The edge shuts a network out, which WordPress can't.
			s.blockAtEdge(t, s.maskOfRange(t, net24))
			if status := w.comment(t, b); status != http.StatusForbidden {
				t.Errorf("a comment from a network that the edge blocks is answered %d", status)
			}
			if f.name == fronts[0].name {
				w.wantWorkInBrowser(t, s)
			}
			left[databases], left[wikiFiles] = w.db.dump(t, "wordpress"), w.written(t)
			wantMasksAlone(t, s, left, alice, known, bob, carol, dave, sysop)
		})
	}
}

// wantWorkInBrowser: the administrator logs in, writes a post in the editor and uploads a picture, under the policy.
func (w *wordPress) wantWorkInBrowser(t *testing.T, s *scene) {
	t.Helper()
	// Pictures of others' sites, and a check for what the browser can draw of them.
	known := []string{"worker-src blob", "img-src https://secure.gravatar.com/", "img-src https://s.w.org/"}
	b := startBrowser(t)
	b.open(t, s.url+"/wp-login.php")
	b.do(t, fillIn("user_login", "Admin"), fillIn("user_pass", adminPassword), click("#wp-submit"))
	b.waitFor(t, `document.querySelector('#wp-admin-bar-my-account')`)
	b.wantNoViolation(t, "the login", known...)

	b.open(t, s.url+"/wp-admin/post-new.php")
	b.waitFor(t, `document.querySelector('iframe[name=editor-canvas]')?.contentDocument?.querySelector('.wp-block-post-title') || document.querySelector('.wp-block-post-title')`)
	b.wantNoViolation(t, "the editor", known...)
	evaluate[any](t, b, `(async () => {
		wp.data.dispatch('core/editor').editPost({title: 'From the browser', content: 'Some text', status: 'publish'});
		await wp.data.dispatch('core/editor').savePost();
	})().then(() => null)`)
	b.wantNoViolation(t, "the saved post", known...)
	if got := w.db.query(t, "SELECT post_status FROM wordpress.wp_posts WHERE post_title = 'From the browser' AND post_type = 'post'"); got != "publish" {
		t.Errorf("the post is %q", got)
	}

	b.open(t, s.url+"/wp-admin/media-new.php")
	b.waitFor(t, `document.querySelector('.moxie-shim input[type=file]')`) // which scripts make
	b.do(t, chromedp.SetUploadFiles(chromedp.CSS(".moxie-shim input[type=file]"), []string{pictureFile(t)}))
	testutil.Eventually(t, "the picture is there", func() bool {
		found, _ := filepath.Glob(filepath.Join(w.dir, "wp-content/uploads/*/*/Picture.png"))
		return len(found) > 0
	})
	b.waitFor(t, `document.querySelector('#media-items .edit-attachment')`)
	b.wantNoViolation(t, "the upload", known...)
	b.open(t, s.url+"/?p=1")
	b.waitFor(t, `document.querySelector('#comment')`)
	b.wantNoViolation(t, "the post with comments", known...)
}
