package noticeboard

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func hashOf(t *testing.T, tool *Tool) string {
	t.Helper()
	own, err := tool.normalised()
	if err != nil {
		t.Fatal(err)
	}
	return own.Hash()
}

// Consents given under one version must hold under the next: a new field that a
// tool doesn't use may not change its hash.
func TestHashVector(t *testing.T) {
	bare := &Tool{Name: "maps", Origin: "https://maps.example.org"}
	own, err := bare.normalised()
	if err != nil {
		t.Fatal(err)
	}
	const form = `{"access":"proxy","kinds":["data","img"],"methods":["GET","HEAD"],"name":"maps","origin":"https://maps.example.org","title":"maps"}`
	if got := string(own.canonical()); got != form {
		t.Errorf("canonical form %s", got)
	}
	// printf 'wikiveil/v1/declaration\0%s' "$form" | sha256sum
	const want = "c25cd9c4245e32403eeb4c1aa76560082159f9dafa5d4b97854e738924de62b2"
	if got := own.Hash(); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
}

// Each field is part of what a reader consents to.
func TestHashCoversEachField(t *testing.T) {
	base := Tool{
		Name: "maps", Origin: "https://maps.example.org", Access: ByConsent, Kinds: []Kind{Script}, Executable: true,
		Integrity: []string{testIntegrity},
	}
	other := "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	changes := map[string]func(*Tool){
		"name":             func(t *Tool) { t.Name = "b" },
		"origin":           func(t *Tool) { t.Origin = "https://b.example.org" },
		"hosts":            func(t *Tool) { t.Hosts = []string{"b.example.org"} },
		"kinds":            func(t *Tool) { t.Kinds = []Kind{Script, Img} },
		"methods":          func(t *Tool) { t.Methods = []string{"GET"} },
		"access":           func(t *Tool) { t.Access, t.Kinds, t.Executable, t.Integrity = ByBoth, []Kind{Img}, false, nil },
		"executable":       func(t *Tool) { t.Kinds, t.Executable, t.Integrity = []Kind{Img}, false, nil },
		"integrity":        func(t *Tool) { t.Integrity = []string{other} },
		"title":            func(t *Tool) { t.Title = "b" },
		"url":              func(t *Tool) { t.URL = "https://b.example.org" },
		"author":           func(t *Tool) { t.Author = "b" },
		"purpose":          func(t *Tool) { t.Purpose = "b" },
		"sends":            func(t *Tool) { t.Sends = "b" },
		"personal":         func(t *Tool) { t.Personal = NothingPersonal },
		"retention":        func(t *Tool) { t.Retention = "b" },
		"source":           func(t *Tool) { t.Source = "https://b.example.org" },
		"privacy":          func(t *Tool) { t.Privacy = "https://b.example.org" },
		"contact":          func(t *Tool) { t.Contact = "b" },
		"reviewer":         func(t *Tool) { t.Reviewer = "b" },
		"reviewed":         func(t *Tool) { t.Reviewed, _ = ParseDate("2026-07-01") },
		"expires":          func(t *Tool) { t.Expires, _ = ParseDate("2026-07-01") },
		"disabled":         func(t *Tool) { t.Disabled = true },
		"revision":         func(t *Tool) { t.Revision = 7 },
		"max_size":         func(t *Tool) { t.MaxSize = 7 },
		"timeout":          func(t *Tool) { t.Timeout = Duration(time.Second) },
		"max_request_size": func(t *Tool) { t.Methods, t.MaxRequestSize = []string{"POST"}, 7 },
		"streams":          func(t *Tool) { t.Kinds, t.Streams = []Kind{Script, Data}, []Stream{Events} },
		"client_limit":     func(t *Tool) { t.ClientLimit = Rate{7, time.Second} },
		"limit":            func(t *Tool) { t.Limit = Rate{7, time.Second} },
		"names":            func(t *Tool) { t.Access, t.Names = ByConsent, NamesReader },
		"pseudonym":        func(t *Tool) { t.Pseudonym = true },
		"refresh":          func(t *Tool) { t.Refresh = []string{"/b"} },
		"refresh_file":     func(t *Tool) { t.RefreshFile = "b" },
		"refresh_every":    func(t *Tool) { t.Refresh, t.RefreshEvery = []string{"/b"}, Duration(time.Minute) },
		"mirror": func(t *Tool) {
			t.Access, t.Integrity, t.Mirror = ByProxy, nil, []MirrorFile{{"/b", testIntegrity}}
		},
		"allow_loopback": func(t *Tool) { t.AllowLoopback, t.Origin = true, "http://127.0.0.1" },
	}
	before, err := base.normalised()
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Tool]()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		change, ok := changes[name]
		if !ok {
			t.Errorf("no change of %q is tried", name)
			continue
		}
		tool := base
		change(&tool)
		if hashOf(t, &tool) == before.Hash() {
			t.Errorf("a change of %s keeps the hash", name)
		}
		after, _ := tool.normalised()
		if fields := changedFields(before.fieldSums(), after.fieldSums()); !slices.Contains(fields, name) {
			t.Errorf("a change of %s is told as one of %q", name, fields)
		}
	}
}

// What the noticeboard shows has the hash that it shows, though it doesn't tell where a refresh file is.
func TestHashOfWhatIsPublic(t *testing.T) {
	tool, err := (&Tool{Name: "maps", Origin: "https://maps.example.org", RefreshFile: "/srv/maps/paths", RefreshEvery: Duration(time.Hour)}).normalised()
	if err != nil {
		t.Fatal(err)
	}
	public := tool.Public()
	if again, err := public.normalised(); err != nil || again.Hash() != tool.Hash() || strings.Contains(public.RefreshFile, "srv") {
		t.Errorf("got %+v, %v", again, err)
	}
}

func TestHashOfSpellings(t *testing.T) {
	a := hashOf(t, &Tool{Name: "maps", Origin: "https://maps.example.org", Kinds: []Kind{Img, Data}, Hosts: []string{"b.example.org"}})
	b := hashOf(t, &Tool{Name: "maps", Origin: "HTTPS://Maps.example.org:443/", Kinds: []Kind{Data, Img, Data}, Hosts: []string{"B.example.org:443"}, Title: "maps"})
	if a != b {
		t.Error("two spellings of one declaration have two hashes")
	}
}

func BenchmarkHash(b *testing.B) {
	tool, err := (&Tool{Name: "maps", Origin: "https://maps.example.org", Purpose: "Shows where things are"}).normalised()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		tool.Hash()
	}
}
