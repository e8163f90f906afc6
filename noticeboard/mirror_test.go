package noticeboard

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// mirrorTool declares a mirror of files on two hosts.
func mirrorTool(paths ...string) *Tool {
	tool := &Tool{Name: "cdn", Origin: "https://cdn.example.org", Hosts: []string{"fonts.example.net:8443"}, Kinds: []Kind{Style, Font, Data}}
	for _, path := range paths {
		tool.Mirror = append(tool.Mirror, MirrorFile{path, testIntegrity})
	}
	return tool
}

func TestMirrorAddresses(t *testing.T) {
	for path, want := range map[string]string{ // without version
		"/a.woff2":                         "/.tools/cdn/a.woff2",
		"/css2?family=A;B":                 "/.tools/cdn/css2?family=A;B",
		"/@scope/lib@1":                    "/.tools/cdn/@scope/lib@1",
		"/~user/a":                         "/.tools/cdn/~cdn.example.org/~user/a",
		"/~fonts.example.net:8443/a.woff2": "/.tools/cdn/~cdn.example.org/~fonts.example.net:8443/a.woff2",
		"https://fonts.example.net:8443/a.woff2?v=%20": "/.tools/cdn/~fonts.example.net:8443/a.woff2?v=%20",
		"https://cdn.example.org/a%20b/":               "/.tools/cdn/a%20b/",
		"/":                                            "/.tools/cdn/",
	} {
		board, err := New([]*Tool{mirrorTool(path)})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		tool, _ := board.Lookup("cdn")
		got := tool.MirrorAddresses("/.tools/")
		if len(got) != 1 || got[0].Address != want {
			t.Errorf("%s: %+v, want %s", path, got, want)
			continue
		}
		rest := strings.TrimPrefix(got[0].URL, "https://")
		if !IsMirrorVersion(got[0].Version) || got[0].Versioned != "/.tools/cdn/~"+got[0].Version+"/"+rest {
			t.Errorf("%s: versioned %q", path, got[0].Versioned)
		}
	}
	for _, host := range []string{"cdn.example.org", "localhost:80", "127.0.0.1", "[::1]:8080", "abcdefabcdefabc0.example", "0123456789abcde", "0123456789ABCDEF"} {
		if IsMirrorVersion(host) {
			t.Errorf("%s is taken for a version", host)
		}
	}
}

// Paths that can be asked for in more than one way are refused.
func TestMirrorPaths(t *testing.T) {
	for _, path := range []string{"/a//b", "/a/./b", "/a/..;x/b", "/a/%2e%2E/b", "/a%2Fb", "/a%5cb", "/a%00", "/" + strings.Repeat("a", maxMirrorPath), "//a"} {
		if err := mirrorTool(path).Validate(); err == nil || !strings.Contains(err.Error(), "mirror ") {
			t.Errorf("%.20s: %v", path, err)
		}
	}
}

// A version covers what is served: the file, and for style sheets what they lead to.
func TestMirrorVersions(t *testing.T) {
	version := func(tool *Tool, i int) string { return tool.MirrorAddresses("/.tools/")[i].Version }
	tool, other := mirrorTool("/a.woff2", "/a.css", "/css2", "/data.json"), mirrorTool("/a.woff2", "/a.css", "/css2", "/data.json")
	other.Mirror[0].Integrity = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	for i, changes := range []bool{true, true, true, false} {
		if (version(tool, i) != version(other, i)) != changes {
			t.Errorf("%s: %s, then %s", tool.Mirror[i].Path, version(tool, i), version(other, i))
		}
	}
	moved := mirrorTool("/b.woff2", "/a.css")
	if version(tool, 0) != version(moved, 0) {
		t.Error("a font's version depends on its name")
	}
	other = mirrorTool("/css2", "/data.json")
	other.Kinds = []Kind{Data} // no style sheets, so nothing is rewritten
	if before := version(other, 0); before != version(&Tool{Name: "cdn", Origin: tool.Origin, Kinds: []Kind{Data}, Mirror: other.Mirror[:1]}, 0) {
		t.Error("a file's version depends on others, although it is no style sheet")
	}
}

func TestMirrorType(t *testing.T) {
	tool := mirrorTool("/a")
	for path, want := range map[string]string{"/a.woff2": "font/woff2", "/A.CSS": "text/css", "/a.js": "", "/lib@1.2": "", "/css2": "", "/a.png": ""} {
		if _, got, known := tool.MirrorType(path); got != want || known != (want != "") {
			t.Errorf("%s: %q, %v", path, got, known)
		}
	}
}

// A mirror gets nothing of anybody, so its label needs fewer words.
func TestMirrorOnThePage(t *testing.T) {
	tool := mirrorTool("/a.woff2", "https://fonts.example.net:8443/b.woff2")
	tool.Purpose, tool.Contact, tool.Personal = "Fonts", "cdn@example.org", SomethingPersonal
	board, err := New([]*Tool{tool})
	if err != nil {
		t.Fatal(err)
	}
	own, _ := board.Lookup("cdn")
	if label, unmet := own.Label(time.Now()); label != LabelB || len(unmet) != 2 {
		t.Errorf("label %s, unmet %v", label, unmet)
	}
	bare, err := New([]*Tool{mirrorTool("/a.woff2")})
	if err != nil {
		t.Fatal(err)
	}
	own, _ = bare.Lookup("cdn")
	if label, _ := own.Label(time.Now()); label != LabelD {
		t.Errorf("without purpose and contact: label %s", label)
	}
	page := pageOf(t, mustLive(t, files(t), "", slices.Collect(board.All())...))
	show := func(query string) string {
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.tools/"+query, nil))
		return w.Body.String()
	}
	for _, words := range []string{"Nothing about readers", "<code>/.tools/cdn/a.woff2</code>", "By no reader. The copies are at <code>/.tools/cdn/</code>"} {
		if html := show(""); !strings.Contains(html, words) {
			t.Errorf("the page lacks %q: %s", words, html)
		}
	}
	if strings.Contains(show(""), "How long it keeps it") {
		t.Error("the page says how long is kept what nobody gets")
	}
	var list struct {
		Tools []struct {
			Files []MirrorAddress `json:"files"`
		} `json:"tools"`
	}
	if err := json.Unmarshal([]byte(show("?format=json")), &list); err != nil || len(list.Tools[0].Files) != 2 ||
		list.Tools[0].Files[1].Address != "/.tools/cdn/~fonts.example.net:8443/b.woff2" || list.Tools[0].Files[1].Integrity != testIntegrity {
		t.Errorf("listed %+v (%v)", list, err)
	}
}
