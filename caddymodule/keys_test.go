package caddymodule

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/masking"
)

func TestRotateByAdminAPI(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, edgetest.PlainSite+wiki.Address()+"\n}")
	see := func() (mask string, networks []string) {
		edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+e.Site+"/", nil)
		h := wiki.One(t).Header
		return h.Get("Client-Mask"), strings.Split(h.Get("Client-Network-Masks"), ", ")
	}
	first, networks := see()
	ring := filepath.Join(e.Dir, "storage", masking.RingKey)
	before, err := os.ReadFile(ring)
	if err != nil {
		t.Fatal(err)
	}
	if list := e.Rotate(t); len(list.Epochs) != 2 || list.Epochs[1].State != "kept" {
		t.Fatalf("rotating: %+v", list)
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
	// Case 52: a slip, such as the command typed at each node, is no second rotation.
	if status, _, body := e.Keys(t, "POST", "/wikiveil/keys/rotate"); status != 409 || !strings.Contains(body, "--force") {
		t.Errorf("a second rotation: %d %s", status, body)
	}
	list := e.Rotate(t)
	if len(list.Epochs) != 3 || list.Epochs[2].State != "not counted" {
		t.Errorf("after a second rotation: %+v", list)
	}
	if _, networks := see(); slices.Contains(networks, first) || !slices.Contains(networks, second) {
		t.Errorf("keep 1 carries %v", networks)
	}
	_, body, _ := bytes.Cut(before, []byte("\n")) // behind the checksum
	var file struct{ Epochs []struct{ Secret string } }
	if err := json.Unmarshal(body, &file); err != nil {
		t.Fatal(err)
	}
	secret := file.Epochs[0].Secret
	oldest := list.Epochs[2].ID
	// Case 41: destroying has a grace, in which it can be taken back by command; then the old masks count again.
	testutil.Eventually(t, "the mark", func() bool {
		_, list, _ := e.Keys(t, "GET", "/wikiveil/keys")
		return list.Epochs[2].Destroyed != nil && list.Epochs[2].Destroyed.After(time.Now().Add(6*edgetest.Day))
	})
	if after, err := os.ReadFile(ring); err != nil || !bytes.Contains(after, []byte(secret)) {
		t.Errorf("the old secret is gone from storage (%v)", err)
	}
	config := e.WriteConfig(t, edgetest.PlainSite+wiki.Address()+"\n}")
	if got, err := edgetest.Run(t, "", "mask", "--config", config, "--epoch", oldest, "127.61.2.3"); err != nil || got != "127.61.2.3\t"+first+"\n" {
		t.Errorf("the mask of the oldest epoch: %q, %v, want %s", got, err, first)
	}
	if _, err := edgetest.Run(t, "", "mask", "--config", config, "--epoch", "0123456789ab", "127.61.2.3"); err == nil || !strings.Contains(err.Error(), `no epoch "0123456789ab"`) {
		t.Errorf("an unknown epoch: %v", err)
	}
	if _, err := edgetest.Run(t, "", "keys", "keep", oldest, "--config", config); err != nil {
		t.Fatal(err)
	}
	if _, networks := see(); !slices.Contains(networks, first) {
		t.Errorf("kept by command, it isn't carried: %v", networks)
	}
	if out := logged(t, e, "keys", "list", "--config", config); !strings.Contains(out, oldest) || !strings.Contains(out, "kept by command") {
		t.Errorf("the list: %s", out)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"keep", "0123456789ab"}, "no such epoch"},
		{[]string{"remove", "0123456789ab"}, "no such epoch"},
		{[]string{"remove", list.Epochs[0].ID, "--now"}, "rotate before you remove it"},
	} {
		if _, err := edgetest.Run(t, "", append(append([]string{"keys"}, c.args...), "--config", config)...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.args, err)
		}
	}
	if _, err := edgetest.Run(t, "", "keys", "remove", oldest, "--now", "--config", config); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{masking.RingKey, masking.RingCopyKey} {
		if after, err := os.ReadFile(filepath.Join(e.Dir, "storage", key)); err != nil || bytes.Contains(after, []byte(secret)) {
			t.Errorf("the removed secret is still in %s (%v)", key, err)
		}
	}
	if !strings.Contains(e.ReadLog(t), "the secret of an old epoch has been destroyed") {
		t.Error("the log doesn't tell")
	}
	status, _, answer := e.Keys(t, "GET", "/wikiveil/keys")
	if status != 200 || strings.Contains(answer, secret) || strings.Contains(strings.ToLower(answer), "secret") {
		t.Errorf("listing: %d %s", status, answer)
	}
}

func TestAdminAPIRefusals(t *testing.T) {
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
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
		{"GET", "/wikiveil/keys/rotate", 405, "GET is not allowed"},
		{"POST", "/wikiveil/keys", 405, "POST is not allowed"},
		{"POST", "/wikiveil/keys/rotate", 409, "the secret is configured"},
	} {
		if status, _, body := e.Keys(t, c.method, c.path); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, body)
		}
	}
	e.Load(t, "{\n{GLOBAL}\n}\nhttp://{SITE} {\nrespond ok\n}")
	if status, _, body := e.Keys(t, "GET", "/wikiveil/keys"); status != 404 || !strings.Contains(body, "uses nothing of wikiveil") {
		t.Errorf("without the app: %d %s", status, body)
	}
}

// logged returns what a command printed.
func logged(t *testing.T, e *edgetest.Edge, args ...string) string {
	t.Helper()
	return edgetest.Stdout(t, func() {
		if _, err := edgetest.Run(t, "", args...); err != nil {
			t.Error(err)
		}
	})
}

func TestMaskCommand(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(edgetest.Secret+"\n"), 0o600); err != nil {
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
			got, err := edgetest.Run(t, c.stdin, append([]string{"mask", "--secret-file", secret, "--site", "en"}, c.args...)...)
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
			if _, err := edgetest.Run(t, c.stdin, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestMaskCommandUsesTheEdgesKeyRing(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, edgetest.PlainSite+wiki.Address()+"\n}")
	edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+e.Site+"/", nil)
	mask := wiki.One(t).Header.Get("Client-Mask")
	config := e.WriteConfig(t, edgetest.PlainSite+wiki.Address()+"\n}")
	if got, err := edgetest.Run(t, "", "mask", "--config", config, "127.61.2.3"); err != nil || got != "127.61.2.3\t"+mask+"\n" {
		t.Errorf("got %q, %v, want %s", got, err, mask)
	}
	empty := filepath.Join(e.Dir, "Empty.Caddyfile")
	if err := os.WriteFile(empty, []byte("{\nstorage file_system "+t.TempDir()+"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := edgetest.Run(t, "", "mask", "--config", empty, "127.61.2.3"); err == nil || !strings.Contains(err.Error(), "there is no key ring") {
		t.Errorf("got %v", err)
	}
}
