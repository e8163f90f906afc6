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

// Whether a change of a field ends the consents given before it.
const ends, holds = true, false

// fieldChanges change each field of baseTool, and say what becomes of consents: they end where what a reader agreed to changes.
var fieldChanges = map[string]struct {
	ends   bool
	change func(*Tool)
}{
	"name":             {ends, func(t *Tool) { t.Name = "b" }},
	"origin":           {ends, func(t *Tool) { t.Origin = "https://b.example.org" }},
	"hosts":            {ends, func(t *Tool) { t.Hosts = []string{"b.example.org"} }},
	"kinds":            {ends, func(t *Tool) { t.Kinds = []Kind{Script, Img} }},
	"methods":          {holds, func(t *Tool) { t.Methods = []string{"GET"} }},
	"access":           {ends, func(t *Tool) { t.Access, t.Kinds, t.Executable, t.Integrity = ByBoth, []Kind{Img}, false, nil }},
	"executable":       {ends, func(t *Tool) { t.Kinds, t.Executable, t.Integrity = []Kind{Img}, false, nil }},
	"integrity":        {ends, func(t *Tool) { t.Integrity = []string{"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="} }},
	"title":            {ends, func(t *Tool) { t.Title = "b" }},
	"url":              {holds, func(t *Tool) { t.URL = "https://b.example.org" }},
	"author":           {ends, func(t *Tool) { t.Author = "b" }},
	"purpose":          {ends, func(t *Tool) { t.Purpose = "b" }},
	"sends":            {ends, func(t *Tool) { t.Sends = "b" }},
	"personal":         {ends, func(t *Tool) { t.Personal = NothingPersonal }},
	"retention":        {ends, func(t *Tool) { t.Retention = "b" }},
	"source":           {holds, func(t *Tool) { t.Source = "https://b.example.org" }},
	"privacy":          {ends, func(t *Tool) { t.Privacy = "https://b.example.org" }},
	"contact":          {holds, func(t *Tool) { t.Contact = "b" }},
	"reviewer":         {holds, func(t *Tool) { t.Reviewer = "b" }},
	"reviewed":         {holds, func(t *Tool) { t.Reviewed, _ = ParseDate("2026-07-01") }},
	"expires":          {holds, func(t *Tool) { t.Expires, _ = ParseDate("2026-07-01") }},
	"disabled":         {ends, func(t *Tool) { t.Disabled = true }},
	"revision":         {ends, func(t *Tool) { t.Revision = 7 }},
	"max_size":         {holds, func(t *Tool) { t.MaxSize = 7 }},
	"timeout":          {holds, func(t *Tool) { t.Timeout = Duration(time.Second) }},
	"max_request_size": {holds, func(t *Tool) { t.Methods, t.MaxRequestSize = []string{"POST"}, 7 }},
	"streams":          {holds, func(t *Tool) { t.Kinds, t.Streams = []Kind{Script, Data}, []Stream{Events} }},
	"client_limit":     {holds, func(t *Tool) { t.ClientLimit = Rate{7, time.Second} }},
	"limit":            {holds, func(t *Tool) { t.Limit = Rate{7, time.Second} }},
	"names":            {ends, func(t *Tool) { t.Access, t.Names = ByConsent, NamesReader }},
	"pseudonym":        {ends, func(t *Tool) { t.Pseudonym = true }},
	"refresh":          {holds, func(t *Tool) { t.Refresh = []string{"/b"} }},
	"refresh_file":     {holds, func(t *Tool) { t.RefreshFile = "b" }},
	"refresh_every":    {holds, func(t *Tool) { t.Refresh, t.RefreshEvery = []string{"/b"}, Duration(time.Minute) }},
	"mirror": {ends, func(t *Tool) {
		t.Access, t.Integrity, t.Mirror = ByProxy, nil, []MirrorFile{{"/b", testIntegrity}}
	}},
	"rewrite": {holds, func(t *Tool) {
		t.Access, t.Kinds, t.Executable, t.Integrity, t.Rewrite = ByBoth, []Kind{Img}, false, nil, true
	}},
	"sandbox":        {ends, func(t *Tool) { t.Kinds, t.Sandbox = []Kind{Frame, Script}, []string{"allow-scripts"} }},
	"allow":          {ends, func(t *Tool) { t.Kinds, t.Allow = []Kind{Frame, Script}, []string{"fullscreen"} }},
	"allow_loopback": {holds, func(t *Tool) { t.AllowLoopback, t.Origin = true, "http://127.0.0.1" }},
}

var baseTool = Tool{
	Name: "maps", Origin: "https://maps.example.org", Access: ByConsent, Kinds: []Kind{Script}, Executable: true,
	Integrity: []string{testIntegrity},
}

// Each field is part of the declaration, and is classified: a new one must say whether its change ends consents.
func TestEachFieldIsHashedAndClassified(t *testing.T) {
	before, err := baseTool.normalised()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Tool]()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
		c, ok := fieldChanges[name]
		if !ok {
			t.Errorf("no change of %q is tried: say whether it ends consents", name)
			continue
		}
		tool := baseTool
		c.change(&tool)
		after, err := tool.normalised()
		if err != nil {
			t.Fatal(err)
		}
		if after.Hash() == before.Hash() {
			t.Errorf("a change of %s keeps the hash", name)
		}
		fields := changedFields(before.fieldSums(), after.fieldSums())
		if !slices.Contains(fields, name) {
			t.Errorf("a change of %s is told as one of %q", name, fields)
		}
		if got := after.ConsentHash(after.Revision) != before.ConsentHash(before.Revision); got != c.ends && len(fields) == 1 {
			t.Errorf("a change of %s ends consents: %t", name, got)
		}
		if got := !slices.Contains(notConsented, name); got != c.ends {
			t.Errorf("a change of %s alone ends consents: %t", name, got)
		}
	}
	for _, name := range notConsented {
		if !slices.Contains(names, name) {
			t.Errorf("there is no field %q", name)
		}
	}
	if before.ConsentHash(1) == before.ConsentHash(2) {
		t.Error("the revision isn't in the hash")
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
