//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/testutil"
)

// makeRelease runs `make release` for this machine's architecture in a checkout.
func makeRelease(t *testing.T, checkout, out string, env ...string) (sums string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "scripts/release")
	cmd.Dir = checkout
	cmd.Env = append(append(os.Environ(), "OUT="+out, "ARCHS="+runtime.GOARCH), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("making a release: %v\n%s", err, text)
	}
	data, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A release made elsewhere, with other settings of the machine, has the same bytes. Its package installs on a clean
// Debian, serves a real MediaWiki, is upgraded with its data, though interrupted, and leaves nothing when purged.
func TestRelease(t *testing.T) {
	if os.Getenv("WIKIVEIL_TEST_WITHOUT_PACKAGE") != "" {
		t.Skip("WIKIVEIL_TEST_WITHOUT_PACKAGE is set: no clean Debian, or not root")
	}
	here := t.TempDir()
	sums := makeRelease(t, "..", here)
	if strings.Count(sums, "\n") != 2 {
		t.Errorf("SHA256SUMS:\n%s", sums)
	}
	t.Run("same_bytes_elsewhere", func(t *testing.T) {
		elsewhere := filepath.Join(t.TempDir(), "another checkout")
		output(t, "sh", "-c", `git clone -q --shared .. "$1" && git diff --binary HEAD | (cd "$1" && git apply --allow-empty)`, "sh", elsewhere)
		again := makeRelease(t, elsewhere, t.TempDir(), "TZ=Asia/Kathmandu", "LC_ALL=C.UTF-8", "GOFLAGS=-buildvcs=true")
		if sums != again {
			t.Errorf("two releases of one commit:\n%s\n%s", sums, again)
		}
	})
	packages, _ := filepath.Glob(here + "/*.deb")
	if len(packages) != 1 {
		t.Fatalf("packages: %q", packages)
	}
	t.Run("package", func(t *testing.T) { tryPackage(t, packages[0]) })
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// cleanRoot is a Debian with nothing in it but what each has.
type cleanRoot struct {
	t   *testing.T
	dir string
}

func (r *cleanRoot) path(name string) string { return filepath.Join(r.dir, name) }

// run runs a command in the root, as root.
func (r *cleanRoot) run(args ...string) string {
	r.t.Helper()
	return output(r.t, "chroot", append([]string{r.dir}, args...)...)
}

func (r *cleanRoot) read(name string) string {
	r.t.Helper()
	data, err := os.ReadFile(r.path(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

// files lists what is in the root, but for notes of dpkg and others, and /run, which ends with each boot.
func (r *cleanRoot) files() string {
	r.t.Helper()
	all := output(r.t, "sh", "-c", `cd "$1" && find . -path ./proc -prune -o -path ./run -prune -o -path ./var/lib/dpkg -prune -o -path ./var/log -prune -o -print | sort`, "sh", r.dir)
	return regexp.MustCompile(`(?m)^\./etc/((passwd|group|shadow|gshadow|subuid|subgid)-|\.pwd\.lock)\n`).ReplaceAllString(all, "")
}

// olderPackage is the package as a version before: with another number, and a program that isn't the new one byte by byte.
func olderPackage(t *testing.T, deb string) string {
	dir := filepath.Join(t.TempDir(), "old")
	old := dir + ".deb"
	output(t, "sh", "-c", `dpkg-deb -R "$1" "$2" && sed -i 's/^Version: .*/Version: 0.0.9/' "$2/DEBIAN/control" &&
		printf old >>"$2/usr/bin/wikiveil" && dpkg-deb -Zgzip -z1 -b "$2" "$3"`, "sh", deb, dir, old)
	return old
}

func tryPackage(t *testing.T, deb string) {
	root := &cleanRoot{t, t.TempDir()}
	output(t, "tar", "-C", root.dir, "-xf", "../.cache/debian-root.tar")
	for name, from := range map[string]string{"old.deb": olderPackage(t, deb), "new.deb": deb} {
		output(t, "cp", from, root.path(name))
	}
	before := root.files()

	root.run("dpkg", "-i", "/old.deb")
	for name, want := range map[string]string{
		"/etc/wikiveil/Caddyfile": "640 root wikiveil", "/etc/wikiveil": "750 root wikiveil", "/var/lib/wikiveil": "700 wikiveil wikiveil",
		"/etc/systemd/system/multi-user.target.wants/wikiveil.service": "777 root root", "/usr/share/man/man8/wikiveil.8.gz": "644 root root",
		"/usr/share/wikiveil/mediawiki/Wikiveil/extension.json": "644 root root", "/usr/share/bash-completion/completions/wikiveil": "644 root root",
	} {
		if got := strings.TrimSpace(root.run("stat", "-c", "%a %U %G", name)); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	wantHardened(t, root)

	edge := startUnit(t, root)
	edge.want("http://127.0.0.1:8480/", "no wiki is behind it yet")
	wiki := edge.serveWiki()
	mask := edge.userOf(wiki)
	edge.stop()

	root.upgradeInterrupted()
	if root.read("/usr/bin/wikiveil") == root.read("/old-program") {
		t.Error("the upgrade left the old program")
	}
	edge = startUnit(t, root)
	if again := edge.userOf(wiki); again != mask {
		t.Errorf("after the upgrade the client is %s, was %s", again, mask)
	}
	edge.stop()

	root.run("dpkg", "--purge", "wikiveil")
	root.run("rm", "/old.deb", "/new.deb", "/old-program")
	after := root.files()
	if left := slices.DeleteFunc(strings.Split(after, "\n"), func(f string) bool { return strings.Contains("\n"+before, "\n"+f+"\n") }); len(left) > 1 {
		t.Errorf("left after the purge: %q", left)
	}
	if strings.Contains(root.read("/etc/passwd"), "wikiveil") {
		t.Error("the user is left after the purge")
	}
}

// wantHardened has systemd judge the unit.
func wantHardened(t *testing.T, root *cleanRoot) {
	t.Helper()
	unit := filepath.Join(t.TempDir(), "wikiveil.service")
	text := strings.ReplaceAll(root.read("/usr/lib/systemd/system/wikiveil.service"), "/usr/bin/wikiveil", "/bin/true")
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	output(t, "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", unit)
}

// upgradeInterrupted upgrades, killed twice on the way: while files are unpacked, and while the package is configured.
func (r *cleanRoot) upgradeInterrupted() {
	r.t.Helper()
	r.run("cp", "/usr/bin/wikiveil", "/old-program")
	r.killed(r.path("/usr/bin/wikiveil.dpkg-new"), "dpkg", "-i", "/new.deb")
	r.run("dpkg", "--unpack", "/new.deb")
	// One of the programs that postinst runs waits to be killed.
	helper, there := r.path("/usr/bin/deb-systemd-helper"), r.path("/in-postinst")
	output(r.t, "sh", "-c", `mv "$1" "$1.real" && printf '#!/bin/sh\n: >/in-postinst\nexec sleep 60\n' >"$1" && chmod +x "$1"`, "sh", helper)
	r.killed(there, "dpkg", "--configure", "wikiveil")
	output(r.t, "mv", helper+".real", helper)
	output(r.t, "rm", there)
	if state := r.run("dpkg-query", "-W", "-f", "${Status}", "wikiveil"); !strings.HasSuffix(state, " half-configured") {
		r.t.Errorf("after the interruption the package is %q", state)
	}
	r.run("dpkg", "--configure", "-a")
	if state := r.run("dpkg-query", "-W", "-f", "${Status} ${Version}", "wikiveil"); !strings.HasPrefix(state, "install ok installed 0.1") {
		r.t.Errorf("after the upgrade the package is %q", state)
	}
}

// killed runs a command in the root, and kills it and all that it started as soon as a file is there.
func (r *cleanRoot) killed(file string, args ...string) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "chroot", append([]string{r.dir}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	for {
		if _, err := os.Stat(file); err == nil || r.t.Context().Err() != nil {
			break
		}
		if done, _ := syscall.Wait4(cmd.Process.Pid, nil, syscall.WNOHANG, nil); done != 0 {
			r.t.Fatalf("%q ended before %s was there", args, file)
		}
		time.Sleep(time.Millisecond)
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	cmd.Wait()
}

// unit is the package's service as it runs in the root: its ExecStart as its user, with its capability alone, and
// nothing to write to but its own directories. (A chroot has no systemd; the filter of system calls isn't there.)
type unit struct {
	*cleanRoot
	cmd *exec.Cmd
	log bytes.Buffer
}

const asUnit = `set -e
mount --bind "$1" "$1"
mkdir -p "$1/run/wikiveil"
chroot "$1" chown wikiveil: /run/wikiveil
for own in run/wikiveil var/lib/wikiveil; do mount --bind "$1/$own" "$1/$own"; done
mount -o remount,ro,bind "$1"
cd "$1"
exec chroot "$1" setpriv --reuid wikiveil --regid wikiveil --init-groups --no-new-privs \
	--inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service --bounding-set=-all,+net_bind_service \
	env -i HOME=/var/lib/wikiveil PATH=/usr/bin:/bin sh -c "umask 077; exec $2"`

func (r *cleanRoot) execOf(what string) string {
	r.t.Helper()
	found := regexp.MustCompile(`(?m)^` + what + `=(.+)$`).FindStringSubmatch(r.read("/usr/lib/systemd/system/wikiveil.service"))
	if found == nil {
		r.t.Fatalf("no %s in the unit", what)
	}
	return found[1]
}

func startUnit(t *testing.T, root *cleanRoot) *unit {
	t.Helper()
	u := &unit{cleanRoot: root}
	u.cmd = exec.Command("unshare", "--mount", "sh", "-c", asUnit, "sh", root.dir, root.execOf("ExecStart"))
	u.cmd.Stdout, u.cmd.Stderr = &u.log, &u.log
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.stop)
	testutil.Eventually(t, "the edge's admin socket", func() bool {
		conn, err := net.Dial("unix", root.path("/run/wikiveil/admin.sock"))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return u
}

// stop stops the edge as systemd does.
func (u *unit) stop() {
	if u.cmd.ProcessState != nil {
		return
	}
	u.cmd.Process.Signal(syscall.SIGTERM) // each step to the program was an exec
	defer time.AfterFunc(30*time.Second, func() { u.cmd.Process.Kill() }).Stop()
	if err := u.cmd.Wait(); err != nil || u.t.Failed() {
		u.t.Errorf("the edge ended: %v\n%s", err, &u.log)
	}
}

// get asks as another client of this machine.
func (u *unit) get(url string) (int, string) {
	u.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, address)
	}}}
	resp, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		u.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (u *unit) want(url, text string) {
	u.t.Helper()
	testutil.Eventually(u.t, url, func() bool { status, _ := u.get(url); return status != 0 })
	if status, body := u.get(url); status != 200 || !strings.Contains(body, text) {
		u.t.Errorf("%s: %d, %.500s", url, status, body)
	}
}

// serveWiki puts a real MediaWiki behind the edge, as the installed config shows it, and reloads. It returns the wiki's URL.
func (u *unit) serveWiki() string {
	u.t.Helper()
	wiki, app := newWiki(u.t, releases[0], ""), freeAddr(u.t, "127.0.0.3")
	_, port, _ := net.SplitHostPort(app)
	loadCaddyfile(u.t, fmt.Sprintf("{\nadmin off\nauto_https off\npersist_config off\n}\nhttp://:%s {\nbind 127.0.0.3\n%s\n}\n", port, wiki.site(u.t, "trusted_proxies 127.0.0.1/32")))
	u.t.Cleanup(func() { stopEdge(u.t) })
	shown := regexp.MustCompile(`(?ms)^# wiki\.example\.org \{$.*?^# \}$`).FindString(u.read("/etc/wikiveil/Caddyfile"))
	site := strings.NewReplacer("# wiki.example.org {", "http://127.0.0.7:80 {\nbind 127.0.0.7", "\n# ", "\n", "127.0.0.1:8081", app).Replace(shown)
	if !strings.Contains(site, app) {
		u.t.Fatalf("the installed config shows no wiki: %q", shown)
	}
	if err := os.WriteFile(u.path("/etc/wikiveil/Caddyfile"), []byte(u.read("/etc/wikiveil/Caddyfile")+site), 0); err != nil {
		u.t.Fatal(err)
	}
	u.run("wikiveil", "validate", "--config", "/etc/wikiveil/Caddyfile")
	u.run(append([]string{"setpriv", "--reuid", "wikiveil", "--regid", "wikiveil", "--init-groups"}, strings.Fields(u.execOf("ExecReload"))...)...)
	u.want("http://127.0.0.7/index.php?title=Main_Page", "MediaWiki has been installed")
	return "http://127.0.0.7"
}

// userOf returns who the wiki takes the client for: the mask that the edge's own command prints, which finds the installed config by itself.
func (u *unit) userOf(wiki string) string {
	u.t.Helper()
	u.want(wiki+"/api.php?action=query&meta=userinfo&format=json", `"anon"`)
	_, body := u.get(wiki + "/api.php?action=query&meta=userinfo&format=json")
	var answer struct {
		Query struct{ UserInfo struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		u.t.Fatalf("%v: %s", err, body)
	}
	out, err := exec.CommandContext(u.t.Context(), "chroot", u.dir, "wikiveil", "mask", "127.0.0.9").Output()
	mask := strings.TrimSpace(string(out))
	if err != nil {
		u.t.Fatal(err)
	}
	if name := answer.Query.UserInfo.Name; !strings.EqualFold(mask, "127.0.0.9\t"+name) {
		u.t.Errorf("the wiki says %q, the command %q", name, mask)
	}
	return mask
}
