//go:build integration

package integration

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Visitors' addresses. MediaWiki and its databases know no other from 127.10.0.0/16
// on, so that a search for one finds only what came from the client.
const (
	alice   = "127.10.1.5"
	bob     = "127.10.1.77" // in alice's /24
	carol   = "127.10.9.9"  // in alice's /16
	dave    = "127.20.0.1"  // in no network of theirs
	sysop   = "127.30.7.7"
	net24   = "127.10.1.0/24"
	net16   = "127.10.0.0/16"
	mallory = "127.66.6.6" // seen raw, in the baselines alone
)

// transcript keeps all that an edge answered to its visitors.
type transcript struct {
	mu    sync.Mutex
	bytes bytes.Buffer
}

func (r *transcript) add(resp *http.Response) error {
	dump, err := httputil.DumpResponse(resp, true)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes.Write(dump)
	return nil
}

// all returns a copy of what is there so far.
func (r *transcript) all() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.bytes.Bytes())
}

// visitor is a client of the wiki at one source address, with its cookies.
type visitor struct {
	address string
	url     string
	http    *http.Client
}

// recording is a RoundTripper that writes each response to a transcript.
type recording struct {
	http.RoundTripper
	to *transcript
}

func (r recording) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	return resp, r.to.add(resp)
}

// newVisitor returns a client whose connections to the edge come from address.
func newVisitor(e *edge, address string, to *transcript) *visitor {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, e.addr)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // of https, see edgeConfig
	}
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Transport: recording{transport, to}, Jar: jar, Timeout: time.Minute}
	return &visitor{address: address, url: e.url, http: client}
}

// page returns the body of a page that must be there.
func (v *visitor) page(t *testing.T, path string) string {
	t.Helper()
	resp, err := v.http.Get(v.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s as %s: %s %v\n%s", path, v.address, resp.Status, err, body)
	}
	return string(body)
}

// submit sends a form of a page, and returns the page that answers.
func (v *visitor) submit(t *testing.T, path string, form url.Values) string {
	t.Helper()
	_, page := v.post(t, path, form)
	return page
}

// post sends a form, and returns the status and the page that answer.
func (v *visitor) post(t *testing.T, path string, form url.Values) (status int, page string) {
	t.Helper()
	resp, err := v.http.PostForm(v.url+path, form)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, bodyOf(t, resp)
}

// bodyOf reads a response to its end.
func bodyOf(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// api posts to the action API and decodes the answer, an API error included.
func (v *visitor) api(t *testing.T, answer any, params ...string) {
	t.Helper()
	form := url.Values{"format": {"json"}, "formatversion": {"2"}}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	resp, err := v.http.Post(v.url+"/api.php", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(body, answer)
	}
	if err != nil {
		t.Fatalf("API %v as %s: %s: %v\n%s", params, v.address, resp.Status, err, body)
	}
}

// apiError is the error member of the API's answers.
type apiError struct{ Code, Info string }

// edit saves a page and returns the API's error code, "" for success.
func (v *visitor) edit(t *testing.T, title, text string) string {
	t.Helper()
	var answer struct {
		Edit  struct{ Result string }
		Error apiError
	}
	v.api(t, &answer, "action", "edit", "title", title, "text", text, "token", v.csrf(t))
	if answer.Error.Code == "" && answer.Edit.Result != "Success" {
		t.Fatalf("editing %s as %s: neither saved nor refused: %+v", title, v.address, answer)
	}
	return answer.Error.Code
}

// csrf returns the token for the visitor's next action.
func (v *visitor) csrf(t *testing.T) string { return v.token(t, "csrf") }

func (v *visitor) token(t *testing.T, kind string) string {
	t.Helper()
	var answer struct {
		Query struct{ Tokens map[string]string }
	}
	v.api(t, &answer, "action", "query", "meta", "tokens", "type", kind)
	token := answer.Query.Tokens[kind+"token"]
	if token == "" {
		t.Fatalf("no %s token as %s", kind, v.address)
	}
	return token
}

// login logs the administrator in.
func (v *visitor) login(t *testing.T) {
	t.Helper()
	v.loginAs(t, adminName)
}

// loginAs logs a user in. All have the administrator's password.
func (v *visitor) loginAs(t *testing.T, name string) {
	t.Helper()
	var answer struct {
		Login struct{ Result, Reason string }
	}
	v.api(t, &answer, "action", "login", "lgname", name, "lgpassword", adminPassword, "lgtoken", v.token(t, "login"))
	if answer.Login.Result != "Success" {
		t.Fatalf("logging in: %+v", answer.Login)
	}
}

// failLogin tries a wrong password, which wikis throttle by address.
func (v *visitor) failLogin(t *testing.T) {
	t.Helper()
	var answer struct{ Login struct{ Result string } }
	v.api(t, &answer, "action", "login", "lgname", adminName, "lgpassword", "wrong", "lgtoken", v.token(t, "login"))
	if answer.Login.Result != "Failed" {
		t.Fatalf("logging in with a wrong password: %+v", answer)
	}
}

// createAccount makes an account. It does not log in.
func (v *visitor) createAccount(t *testing.T, name string) {
	t.Helper()
	if code := v.tryCreateAccount(t, name); code != "" {
		t.Fatalf("making an account: %s", code)
	}
}

// tryCreateAccount is createAccount, and returns the code of what refused it, "" for success.
func (v *visitor) tryCreateAccount(t *testing.T, name string) string {
	t.Helper()
	var answer struct {
		CreateAccount struct{ Status, MessageCode string }
		Error         apiError
	}
	v.api(t, &answer, "action", "createaccount", "username", name, "password", adminPassword, "retype", adminPassword,
		"createreturnurl", v.url, "createtoken", v.token(t, "createaccount"))
	switch {
	case answer.CreateAccount.Status == "PASS":
		return ""
	case answer.Error.Code != "":
		return answer.Error.Code
	case answer.CreateAccount.MessageCode == "":
		t.Fatalf("making an account: neither done nor refused: %+v", answer)
	}
	return answer.CreateAccount.MessageCode
}

// block has the wiki block an address, masks being addresses, for visitors
// without an account.
func (v *visitor) block(t *testing.T, address string) {
	t.Helper()
	if code := v.tryBlock(t, address); code != "" {
		t.Fatalf("blocking %s: %s", address, code)
	}
}

// tryBlock is block, and returns the API's error code, "" for success.
func (v *visitor) tryBlock(t *testing.T, address string) string {
	t.Helper()
	var answer struct {
		Block struct{ User string }
		Error apiError
	}
	v.api(t, &answer, "action", "block", "user", address, "anononly", "1", "nocreate", "1",
		"expiry", "never", "reason", "vandalism", "token", v.csrf(t))
	if answer.Error.Code == "" && answer.Block.User == "" {
		t.Fatalf("blocking %s: neither done nor refused: %+v", address, answer)
	}
	return answer.Error.Code
}

func (v *visitor) unblock(t *testing.T, address string) {
	t.Helper()
	var answer struct{ Error apiError }
	v.api(t, &answer, "action", "unblock", "user", address, "token", v.csrf(t))
	if answer.Error.Code != "" {
		t.Fatalf("unblocking %s: %+v", address, answer)
	}
}

// revision is an edit as page histories and recent changes tell of it.
type revision struct {
	User    string
	Comment string
}

// history returns a page's revisions, the newest first.
func (v *visitor) history(t *testing.T, title string) []revision {
	t.Helper()
	var answer struct {
		Query struct {
			Pages []struct{ Revisions []revision }
		}
	}
	v.api(t, &answer, "action", "query", "prop", "revisions", "titles", title, "rvprop", "user|comment", "rvlimit", "max")
	if len(answer.Query.Pages) != 1 {
		t.Fatalf("history of %s: %+v", title, answer)
	}
	return answer.Query.Pages[0].Revisions
}

// recentEditors returns the authors of a page's recent changes, the newest first.
// MediaWiki writes those after its answer to the edit, hence the wait.
func (v *visitor) recentEditors(t *testing.T, title string, count int) []string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var answer struct {
			Query struct{ Recentchanges []revision }
		}
		v.api(t, &answer, "action", "query", "list", "recentchanges", "rctitle", title, "rcprop", "user|comment", "rclimit", "max")
		if len(answer.Query.Recentchanges) == count {
			var users []string
			for _, change := range answer.Query.Recentchanges {
				users = append(users, change.User)
			}
			return users
		}
		if time.Now().After(deadline) {
			t.Fatalf("recent changes of %s: %+v, want %d", title, answer, count)
		}
	}
}

var texts atomic.Int64

// uniqueText returns a page's text that differs from all before it, since saving
// a page unchanged is no edit.
func uniqueText() string { return fmt.Sprintf("Text number %d.", texts.Add(1)) }

// save edits a page and must succeed.
func (v *visitor) save(t *testing.T, title, text string) {
	t.Helper()
	if code := v.edit(t, title, text); code != "" {
		t.Fatalf("saving %s as %s: %s", title, v.address, code)
	}
}
