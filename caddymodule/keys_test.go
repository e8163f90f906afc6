package caddymodule

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/certmagic"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/masking"
)

// The wikiveil option is missing: the directive makes the app.
const plainSite = `{
	{GLOBAL}
}
http://{SITE} {
	client_mask
	reverse_proxy `

func (e *edge) keys(t *testing.T, method, path string) (int, keyList, string) {
	t.Helper()
	resp, body := send(t, http.DefaultClient, method, "http://"+e.admin+path, nil)
	var list keyList
	if resp.StatusCode == 200 {
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	}
	return resp.StatusCode, list, body
}

func TestRotateByAdminAPI(t *testing.T) {
	wiki := newApp(t, nil)
	e := newEdge(t, plainSite+wiki.address()+"\n}")
	see := func() (mask string, networks []string) {
		send(t, from(t, "127.61.2.3"), "GET", "http://"+e.site+"/", nil)
		h := wiki.one(t).Header
		return h.Get("Client-Mask"), strings.Split(h.Get("Client-Network-Masks"), ", ")
	}
	first, networks := see()
	ring := filepath.Join(e.dir, "storage", masking.RingKey)
	before, err := os.ReadFile(ring)
	if err != nil {
		t.Fatal(err)
	}
	status, list, answer := e.keys(t, "POST", adminRotate)
	if status != 200 || len(list.Epochs) != 2 || list.Epochs[0].State != "current" || list.Epochs[1].State != "kept" {
		t.Fatalf("rotating: %d %s", status, answer)
	}
	second, withOld := see()
	if second == first {
		t.Error("the mask is the same after rotation")
	}
	for _, old := range append([]string{first}, networks...) {
		if !slices.Contains(withOld, old) {
			t.Errorf("after rotation %s is not carried on: %v", old, withOld)
		}
	}
	if _, _, answer := e.keys(t, "POST", adminRotate); strings.Count(answer, `"id"`) != 2 {
		t.Errorf("after a second rotation: %s", answer)
	}
	if _, networks := see(); slices.Contains(networks, first) || !slices.Contains(networks, second) {
		t.Errorf("keep 1 carries %v", networks)
	}
	var file struct{ Epochs []struct{ Secret string } }
	if err := json.Unmarshal(before, &file); err != nil {
		t.Fatal(err)
	}
	secret := file.Epochs[0].Secret
	after, err := os.ReadFile(ring)
	if err != nil || bytes.Contains(after, []byte(secret)) {
		t.Errorf("the expired secret is still in storage (%v)", err)
	}
	status, _, answer = e.keys(t, "GET", adminKeys)
	if status != 200 || strings.Contains(answer, secret) || strings.Contains(strings.ToLower(answer), "secret") {
		t.Errorf("listing: %d %s", status, answer)
	}
}

func TestAdminAPIRefusals(t *testing.T) {
	e := newEdge(t, `{
		{GLOBAL}
		wikiveil {
			secret `+testSecret+`
		}
	}
	http://{SITE} {
		client_mask
		respond ok
	}`)
	for _, c := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", adminRotate, 405, "GET is not allowed"},
		{"POST", adminKeys, 405, "POST is not allowed"},
		{"POST", adminRotate, 409, "the secret is configured"},
	} {
		if status, _, body := e.keys(t, c.method, c.path); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, body)
		}
	}
	e.load(t, "{\n{GLOBAL}\n}\nhttp://{SITE} {\nrespond ok\n}")
	if status, _, body := e.keys(t, "GET", adminKeys); status != 404 || !strings.Contains(body, "uses nothing of wikiveil") {
		t.Errorf("without the app: %d %s", status, body)
	}
}

// Two nodes that share storage: the second learns of what the first rotates.
func TestNodesFollowTheRing(t *testing.T) {
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	open := func() *keyRing {
		k, err := newStoredRing(&masking.Keeper{Storage: storage, Keep: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { k.Destruct() })
		return k
	}
	a, b := open(), open()
	id := func(k *keyRing) string { return k.active.Load().list[0].ID() }
	if id(a) != id(b) {
		t.Fatal("two nodes have two rings")
	}
	if err := a.rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if id(a) != id(b) || len(b.active.Load().list) != 2 {
		t.Errorf("after rotation the nodes have %v and %v", a.active.Load().list, b.active.Load().list)
	}
}

// run runs a command as `wikiveil` does.
func run(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	root := &cobra.Command{Use: "wikiveil", SilenceErrors: true}
	name := args[0]
	command := caddycmd.Commands()[name]
	sub := &cobra.Command{Use: name}
	command.CobraFunc(sub)
	root.AddCommand(sub)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetIn(strings.NewReader(stdin))
	root.SetArgs(args)
	err := root.Execute()
	return out.String(), err
}

func TestMaskCommand(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(testSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// From the given vectors.
	want := "140.78.240.215\t2001:2f:da8a:eedc:72a9:ddb5:1438:104f\n140.0.0.0/8\t2001:2e:d83e:ba36:8517:b13:d05e:972a\n"
	for _, c := range []struct {
		name, stdin string
		args        []string
		want        string
	}{
		{"arguments", "", []string{"140.78.240.215", "140.0.0.0/8"}, want},
		{"standard input", "140.78.240.215\n\n 140.0.0.0/8 \n", nil, want},
		{"network", "", []string{"--network", "tor"}, "tor\t2001:2e:c642:a393:552e:d10b:b9a2:4c01\n"},
		{"session", "", []string{"--session", "8a6d0372b9ceac0f6bc9a9669da8dcac"}, "8a6d0372b9ceac0f6bc9a9669da8dcac\t2001:2f:59a8:80b1:a6eb:c72d:43f8:2f22\n"},
		{"prefix", "", []string{"--v6-prefix", "128", "2c80:6a8a:e9c4:1893:5056:5c3f:7a3e:2376"},
			"2c80:6a8a:e9c4:1893:5056:5c3f:7a3e:2376\t2001:2f:2f8f:b531:a8aa:8547:3741:b24b\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := run(t, c.stdin, append([]string{"mask", "--secret-file", secret, "--site", "en"}, c.args...)...)
			if err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("abcd"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, stdin string
		args        []string
		want        string
	}{
		{"not an address", "", []string{"mask", "--secret-file", secret, "example.org"}, "neither an IP address nor a CIDR range"},
		{"not a range", "", []string{"mask", "--secret-file", secret, "1.2.3.4/33"}, "neither an IP address nor a CIDR range"},
		{"bad line", "1.2.3.4\nx\n", []string{"mask", "--secret-file", secret}, "line 2"},
		{"bad session", "", []string{"mask", "--secret-file", secret, "--session", "xyz"}, "not in hex"},
		{"short secret", "", []string{"mask", "--secret-file", short, "1.2.3.4"}, "shorter than 32 bytes"},
		{"no such file", "", []string{"mask", "--secret-file", secret + "x", "1.2.3.4"}, "reading the secret"},
		{"prefix", "", []string{"mask", "--secret-file", secret, "--v6-prefix", "7", "1.2.3.4"}, "48, 56, 64 or 128"},
		{"two keys", "", []string{"mask", "--secret-file", secret, "--config", "Caddyfile", "1.2.3.4"}, "give one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := run(t, c.stdin, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestMaskCommandUsesTheEdgesKeyRing(t *testing.T) {
	wiki := newApp(t, nil)
	e := newEdge(t, plainSite+wiki.address()+"\n}")
	send(t, from(t, "127.61.2.3"), "GET", "http://"+e.site+"/", nil)
	mask := wiki.one(t).Header.Get("Client-Mask")
	config := writeConfig(t, e, plainSite+wiki.address()+"\n}")
	if got, err := run(t, "", "mask", "--config", config, "127.61.2.3"); err != nil || got != "127.61.2.3\t"+mask+"\n" {
		t.Errorf("got %q, %v, want %s", got, err, mask)
	}
	empty := filepath.Join(e.dir, "Empty.Caddyfile")
	if err := os.WriteFile(empty, []byte("{\nstorage file_system "+t.TempDir()+"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, "", "mask", "--config", empty, "127.61.2.3"); err == nil || !strings.Contains(err.Error(), "there is no key ring") {
		t.Errorf("got %v", err)
	}
}
