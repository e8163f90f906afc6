//go:build integration

package integration

import (
	"crypto/sha1"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wikiveil/wikiveil/internal/testutil"
)

// dokuWiki is a DokuWiki that anyone may edit, as Debian has it.
type dokuWiki struct{ *phpApp }

func newDokuWiki(t *testing.T) *dokuWiki {
	t.Helper()
	d := &dokuWiki{copyApp(t, "dokuwiki")}
	d.private = "/conf/* /data/* /inc/* /bin/* /vendor/*"
	// Debian's own file leads from there to /etc and /var.
	if err := os.Remove(filepath.Join(d.dir, "inc/preload.php")); err != nil {
		t.Fatal(err)
	}
	d.copyTo(t, "conf", "etc/dokuwiki")
	d.copyTo(t, "", "var/lib/dokuwiki")
	d.write(t, "conf/local.php", `<?php
$conf['savedir'] = './data';
$conf['useacl'] = 1;
$conf['superuser'] = '@admin';
$conf['dnslookups'] = 0;
`)
	d.write(t, "conf/acl.auth.php", "*\t@ALL\t8\n")
	d.write(t, "conf/users.auth.php", fmt.Sprintf("admin:%x:Admin:admin@wiki.invalid:admin,user\n", sha1.Sum([]byte(adminPassword))))
	d.ready = time.Now()
	return d
}

// edit saves a page by DokuWiki's form, and returns the status that it is answered.
func (d *dokuWiki) edit(t *testing.T, v *visitor, page, text string) int {
	t.Helper()
	form := hiddenFields(v.page(t, "/doku.php?do=edit&id="+page))
	form.Set("wikitext", text)
	form.Set("summary", "by a visitor")
	form.Set("do[save]", "Save")
	status, _ := v.post(t, "/doku.php?id="+page, form)
	return status
}

// wantText asserts what a page's file holds.
func (d *dokuWiki) wantText(t *testing.T, page, want string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(d.dir, "data/pages", page+".txt"))
	if err != nil || strings.TrimSpace(string(got)) != want {
		t.Errorf("page %s holds %q (%v), want %q", page, got, err, want)
	}
}

// left is what a tour leaves behind.
func (d *dokuWiki) left(t *testing.T, s *scene) map[string][]byte {
	t.Helper()
	return map[string][]byte{
		answers: s.seen.all(), wikiFiles: d.written(t), phpLogs: filesUnder(t, shared.php.logs),
	}
}

// tour has visitors do what DokuWiki keeps addresses for.
func (d *dokuWiki) tour(t *testing.T, page string, editor, administrator *visitor) {
	t.Helper()
	d.edit(t, editor, page, uniqueText())
	editor.page(t, "/doku.php?do=edit&id=locked") // a lock, which names its owner
	for _, password := range []string{"wrong", adminPassword} {
		form := hiddenFields(administrator.page(t, "/doku.php?do=login&id=start"))
		form.Set("u", "admin")
		form.Set("p", password)
		form.Set("do", "login")
		if after := administrator.submit(t, "/doku.php?id=start", form); strings.Contains(after, "Logged in as") != (password == adminPassword) {
			t.Fatalf("the password %q logs in: %t", password, password != adminPassword)
		}
	}
	administrator.page(t, "/doku.php?do=recent&id=start")
	editor.page(t, "/doku.php?do=revisions&id="+page)
	editor.page(t, "/feed.php")
}

// TestDokuWiki: DokuWiki knows its editors by their masks alone, and the edge keeps those out who are blocked by mask or network mask.
func TestDokuWiki(t *testing.T) {
	d := newDokuWiki(t)
	known := []string{answers, wikiFiles, phpLogs}
	t.Run("without masks", func(t *testing.T) { // the baseline of the search
		s := d.behind(t, fronts[0], edgeConfig{unmasked: true})
		d.tour(t, "unmasked", s.visit(mallory), s.visit("127.66.6.7"))
		left := d.left(t, s)
		for _, where := range known {
			wantTrace(t, where, left[where], netip.MustParseAddr(mallory))
		}
	})
	for _, f := range fronts {
		t.Run(f.name, func(t *testing.T) {
			page := f.name
			s := d.behind(t, f, edgeConfig{site: "client_mask\ncsp\n"})
			a, b, dv := s.visit(alice), s.visit(bob), s.visit(dave)
			d.tour(t, page, a, s.visit(sysop))
			bobs := page + "-bob" // two edits of a page within a second are one to DokuWiki
			d.edit(t, b, bobs, uniqueText())
			recent := dv.page(t, "/doku.php?do=recent&id=start")
			for of, v := range map[string]*visitor{page: a, bobs: b} {
				changes, err := os.ReadFile(filepath.Join(d.dir, "data/meta", of+".changes"))
				if err != nil {
					t.Fatal(err)
				}
				history, mask := dv.page(t, "/doku.php?do=revisions&id="+of), s.maskOf(t, v.address).String()
				for where, text := range map[string]string{"the history": history, "the log of changes": string(changes), "recent changes": recent} {
					if !strings.Contains(text, mask) {
						t.Errorf("%s of %s lacks %s, the mask of %s", where, of, mask, v.address)
					}
				}
			}
			wantMasksAlone(t, s, d.left(t, s), alice, known, bob, sysop)

			for mask, tt := range map[netip.Addr]struct{ blocked, others []*visitor }{
				s.maskOf(t, alice):      {[]*visitor{a}, []*visitor{b, dv}},
				s.maskOfRange(t, net24): {[]*visitor{a, b}, []*visitor{dv}},
			} {
				forms := map[*visitor]url.Values{}
				for _, v := range tt.blocked {
					forms[v] = hiddenFields(v.page(t, "/doku.php?do=edit&id="+page))
				}
				text := uniqueText()
				d.edit(t, dv, page, text)
				s.blockAtEdge(t, mask)
				for v, form := range forms {
					form.Set("wikitext", "of a blocked one")
					form.Set("do[save]", "Save")
					if status, _ := v.post(t, "/doku.php?id="+page, form); status != http.StatusForbidden {
						t.Errorf("%s blocked: an edit from %s is answered %d", mask, v.address, status)
					}
				}
				d.wantText(t, page, text)
				for _, v := range tt.others {
					text := uniqueText()
					d.edit(t, v, page, text)
					d.wantText(t, page, text)
				}
				s.unblockAtEdge(t, mask)
				text = uniqueText()
				d.edit(t, a, page, text)
				d.wantText(t, page, text)
			}
			if f.name == fronts[0].name {
				d.wantWorkInBrowser(t, s)
			}
		})
	}
	// Why docs/engines.md says so: it takes the first that X-Forwarded-For names.
	t.Run("networks xff", func(t *testing.T) {
		s := d.behind(t, fronts[1], edgeConfig{site: clientMask})
		d.edit(t, s.visit(alice), "networks", uniqueText())
		if history := s.visit(dave).page(t, "/doku.php?do=revisions&id=networks"); !strings.Contains(history, s.maskOfRange(t, net16).String()) {
			t.Error("with networks xff the history doesn't show a network for the client: docs/engines.md is to be changed")
		}
	})
}

// wantWorkInBrowser: somebody logs in, edits by the toolbar and uploads, under the policy.
func (d *dokuWiki) wantWorkInBrowser(t *testing.T, s *scene) {
	t.Helper()
	b := startBrowser(t)
	b.open(t, s.url+"/doku.php?do=login&id=start")
	b.do(t, chromedp.SetValue(chromedp.CSS("[name=u]"), "admin"), chromedp.SetValue(chromedp.CSS("[name=p]"), adminPassword), click("#dw__login [type=submit]"))
	b.waitFor(t, `document.querySelector('.user')?.textContent.includes('Admin')`)
	b.wantNoViolation(t, "the login")

	b.open(t, s.url+"/doku.php?do=edit&id=browser")
	b.waitFor(t, `document.querySelector('#tool__bar button')`) // which scripts make
	b.do(t, click("#tool__bar button"), chromedp.SendKeys(chromedp.CSS("#wiki__text"), "from the browser"))
	b.wantNoViolation(t, "the editor")
	b.do(t, click("#edbtn__save"))
	b.waitFor(t, `document.querySelector('.dokuwiki .page strong')`)
	b.wantNoViolation(t, "the saved page")

	b.open(t, s.url+"/doku.php?do=media&id=start&tab_files=upload&ns=")
	b.waitFor(t, `document.querySelector('#mediamanager__uploader input[type=file]')`)
	b.do(t, chromedp.SetUploadFiles(chromedp.CSS("#mediamanager__uploader input[type=file]"), []string{pictureFile(t)}), click("#mediamanager__upload_button"))
	testutil.Eventually(t, "the picture is there", func() bool {
		_, err := os.Stat(filepath.Join(d.dir, "data/media/picture.png"))
		return err == nil
	})
	b.wantNoViolation(t, "the upload")
}
