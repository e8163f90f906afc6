package headers

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/noticeboard"
)

func TestClassify(t *testing.T) {
	const (
		malformed = "has a malformed content type"
		forbidden = "has a content type that isn't allowed"
		several   = "has more than one content type"
		charset   = "has a charset that isn't allowed"
	)
	for _, tc := range []struct {
		name   string
		fields []string
		kind   noticeboard.Kind
		want   string
		reason string
	}{
		{"plain", []string{"image/png"}, "img", "image/png", ""},
		{"capitals and space", []string{" Image/PNG "}, "img", "image/png", ""},
		{"SVG", []string{"image/svg+xml;charset=UTF-8"}, "img", "image/svg+xml; charset=utf-8", ""},
		{"charset", []string{`text/css; charset="UTF-8"`}, "style", "text/css; charset=utf-8", ""},
		{"charset alias", []string{"text/csv;charset=utf8;header=present"}, "data", "text/csv; charset=utf-8", ""},
		{"old charset", []string{"text/plain; charset=ISO-8859-1"}, "data", "text/plain; charset=iso-8859-1", ""},
		{"charset of a picture", []string{"image/png; charset=utf-7"}, "img", "image/png", ""},
		{"other parameters", []string{`video/webm; codecs="vp9"`}, "media", "video/webm", ""},
		{"semicolon at the end", []string{"application/json;"}, "data", "application/json", ""},
		{"JSON dialect", []string{"application/geo+json"}, "data", "application/geo+json", ""},
		{"none", nil, "", "", "has no content type"},
		{"empty", []string{""}, "", "", malformed},
		{"two fields", []string{"image/png", "text/html"}, "", "", several},
		{"two equal fields", []string{"image/png", "image/PNG "}, "img", "image/png", ""},
		{"two in one", []string{"image/png, text/html"}, "", "", malformed},
		{"two in one, other way", []string{"text/html, image/png"}, "", "", malformed},
		{"two after a parameter", []string{"image/png; a=b, text/html"}, "", "", malformed},
		{"parameter twice", []string{"text/css; charset=utf-8; charset=utf-7"}, "", "", malformed},
		{"no subtype", []string{"image"}, "", "", forbidden},
		{"wildcard", []string{"image/*"}, "", "", forbidden},
		{"HTML", []string{"text/html"}, "", "", forbidden},
		{"XHTML", []string{"application/xhtml+xml"}, "", "", forbidden},
		// Case 23.
		{"JPEG by another name", []string{"image/jpg"}, "img", "image/jpeg", ""},
		{"progressive JPEG", []string{"Image/PJPEG; name=a"}, "img", "image/jpeg", ""},
		{"old PNG", []string{"image/x-png"}, "img", "image/png", ""},
		{"old font", []string{"application/x-font-ttf"}, "font", "font/ttf", ""},
		{"font of a desktop", []string{"application/vnd.ms-opentype"}, "font", "font/otf", ""},
		{"parameter without value", []string{"application/json; charset"}, "data", "application/json", ""},
		{"empty parameter", []string{"text/css;;charset=utf-8"}, "style", "text/css; charset=utf-8", ""},
		{"parameter with an empty value", []string{"text/css; charset=; a=b"}, "style", "text/css", ""},
		{"quote without end", []string{`text/css;charset="utf-8`}, "", "", malformed},
		{"type for a parameter", []string{"text/css;text/html"}, "", "", malformed},
		{"charset in a charset", []string{`text/css; charset="none; charset=utf-7"`}, "", "", charset},
		{"list of one type", []string{"application/json; charset=utf-8,application/json"}, "data", "application/json; charset=utf-8", ""},
		{"two fields of one type", []string{"text/css", "text/css; charset=utf-8"}, "style", "text/css; charset=utf-8", ""},
		{"unknown charset", []string{"text/plain; charset=none"}, "data", "text/plain", ""},
		{"Cyrillic", []string{"text/plain; charset=CP1251"}, "data", "text/plain; charset=windows-1251", ""},
		{"charset of several bytes", []string{"text/plain; charset=GBK"}, "", "", charset},
		{"charset that is replaced", []string{"text/plain; charset=hz-gb-2312"}, "", "", charset},
		{"list of two", []string{"application/json, text/html"}, "", "", malformed},
		{"broken list of two", []string{"application/json; a, text/html"}, "", "", malformed},
		{"two fields, one broken", []string{"application/json; a", "text/html; b"}, "", "", several},
		{"old sound", []string{"audio/x-m4a"}, "media", "audio/mp4", ""},
		{"old film", []string{"video/x-m4v"}, "media", "video/mp4", ""},
		// Case 26.
		{"XML", []string{"text/xml"}, "data", "text/plain", ""},
		{"XML of its own name", []string{"application/xml; charset=UTF-8"}, "data", "text/plain; charset=utf-8", ""},
		{"RSS", []string{"application/rss+xml"}, "data", "text/plain", ""},
		{"Atom", []string{"application/atom+xml;charset=iso-8859-1"}, "data", "text/plain; charset=iso-8859-1", ""},
		{"GPX", []string{"application/gpx+xml"}, "data", "text/plain", ""},
		{"old JSON", []string{"text/json; charset=utf-8"}, "data", "application/json; charset=utf-8", ""},
		{"citations", []string{"application/vnd.citationstyles.csl+json"}, "data", "application/vnd.citationstyles.csl+json", ""},
		{"protobuf", []string{"application/x-protobuf"}, "data", "application/x-protobuf", ""},
		{"vector tiles", []string{"application/vnd.mapbox-vector-tile"}, "data", "application/vnd.mapbox-vector-tile", ""},
		{"vector tiles by another name", []string{"application/x-mapbox-vector-tile"}, "data", "application/vnd.mapbox-vector-tile", ""},
		{"unheard-of JSON", []string{"application/x+json"}, "data", "application/json", ""},
		{"XSLT", []string{"application/xslt+xml"}, "", "", forbidden},
		{"unheard-of image in XML", []string{"image/x+xml"}, "", "", forbidden},
		{"old SVG", []string{"image/svg"}, "", "", forbidden},
		{"PDF", []string{"application/pdf"}, "", "", forbidden},
		{"script", []string{"text/javascript"}, "", "", forbidden},
		{"old script", []string{"application/x-javascript"}, "", "", forbidden},
		{"JScript", []string{"text/jscript"}, "", "", forbidden},
		{"WebAssembly", []string{"application/wasm"}, "", "", forbidden},
		{"octet-stream", []string{"application/octet-stream"}, "", "", forbidden},
		{"multipart", []string{"multipart/x-mixed-replace; boundary=a"}, "", "", forbidden},
		{"events", []string{"text/event-stream"}, "", "", forbidden},
		{"manifest", []string{"application/manifest+json"}, "", "", forbidden},
		{"import map", []string{"application/importmap+json"}, "", "", forbidden},
		{"speculation rules", []string{"application/speculationrules+json"}, "", "", forbidden},
		{"UTF-7", []string{"text/plain; charset=utf-7"}, "", "", charset},
		{"UTF-16", []string{"text/css; charset=utf-16"}, "", "", charset},
		{"ISO-2022-JP", []string{"image/svg+xml; charset=iso-2022-jp"}, "", "", charset},
		{"NUL", []string{"image/png\x00"}, "", "", malformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kind, got, reason := Classify(tc.fields)
			if kind != tc.kind || got != tc.want || reason != tc.reason {
				t.Errorf("got %q %q %q, want %q %q %q", kind, got, reason, tc.kind, tc.want, tc.reason)
			}
		})
	}
}

func TestEachTypeHasOneKind(t *testing.T) {
	seen := make(map[string]noticeboard.Kind)
	for kind, types := range mediaTypes {
		if !slices.Contains(noticeboard.Kinds(), kind) {
			t.Errorf("kind %q can't be declared", kind)
		}
		if accepts[kind] == "" {
			t.Errorf("kind %q has no Accept", kind)
		}
		for _, mediaType := range types {
			if other, twice := seen[mediaType]; twice {
				t.Errorf("%s is both %s and %s", mediaType, other, kind)
			}
			seen[mediaType] = kind
			if strings.Contains(mediaType, "xml") && mediaType != "image/svg+xml" || strings.Contains(mediaType, "script") || strings.Contains(mediaType, "html") {
				t.Errorf("%s must not pass", mediaType)
			}
		}
	}
	for other, name := range otherNames {
		if seen[name] == "" || seen[other] != "" || neverData[other] || strings.Contains(other, "script") || strings.Contains(other, "html") {
			t.Errorf("%s must not pass as %q", other, name)
		}
	}
	for _, kind := range noticeboard.Kinds() {
		if len(mediaTypes[kind]) == 0 {
			t.Errorf("kind %q has no types", kind)
		}
	}
}

// Case 26: the docs list what passes.
func TestDocsListTypes(t *testing.T) {
	docs, err := os.ReadFile("../../docs/proxy.md")
	if err != nil {
		t.Fatal(err)
	}
	for kind, types := range mediaTypes {
		row := regexp.MustCompile("(?m)^\\| `" + string(kind) + "` \\|.*$").FindString(string(docs))
		for _, mediaType := range types {
			_, name, _ := strings.Cut(mediaType, "/")
			if !strings.Contains(row, "`"+mediaType+"`") && !strings.Contains(row, "`"+name+"`") {
				t.Errorf("docs/proxy.md doesn't list %s for %s", mediaType, kind)
			}
		}
	}
}

func FuzzClassify(f *testing.F) {
	for _, seed := range []string{
		"image/png", "image/png, text/html", "text/css; charset=utf-8", "IMAGE/SVG+XML;charset=\"utf-8\"; a*0=b", "text/plain;charset",
		"image/png\r\nX: y", "application/json; charset=utf-8; charset=x", ";", "text/html", "image/png;,text/html",
		"text/plain; charset=koi8-r", "text/plain; charset=x", "a/b,a/b", `text/css; a=",text/html"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, contentType string) {
		kind, got, reason := Classify([]string{contentType})
		if (reason == "") == (kind == "" || got == "") {
			t.Fatalf("%q: kind %q, type %q, reason %q", contentType, kind, got, reason)
		}
		if reason == "" {
			bare, param, _ := strings.Cut(got, "; ")
			if !slices.Contains(mediaTypes[kind], bare) {
				t.Fatalf("%q passes as %q", contentType, got)
			}
			if charset, ok := strings.CutPrefix(param, "charset="); param != "" {
				if same, known := passedCharset(charset); !ok || !known || same != charset {
					t.Fatalf("%q passes as %q", contentType, got)
				}
			}
			if k, again, _ := Classify([]string{got}); k != kind || again != got {
				t.Fatalf("%q passes as %q and that as %q", contentType, got, again)
			}
		}
	})
}
