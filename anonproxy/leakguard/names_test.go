package leakguard

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/internal/testutil/leaktest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// wordNames are readers whose name is a word.
var wordNames = []string{
	"Berlin", "Map", "Json", "Api", "Wiki", "Org", "Query", "Title", "Paris", "Search",
	"Page", "Image", "London", "Summary", "Data", "Köln", "Tile", "Rose", "Format", "Language",
}

// innocentRequests are 45 that gadgets make for anybody.
var innocentRequests = []string{
	"/12/2146/1422.png", "/tile/12/42/7@2x.webp?v=3", "/maps/api/static?center=52.52,13.405&zoom=12&size=640x480", "/map/berlin/12.png", "/styles/wiki/style.json?lang=en",
	"/search?q=Berlin&format=json&limit=5", "/search?city=Paris&country=France&format=jsonv2", "/reverse?lat=52.52&lon=13.4&format=json&accept-language=en",
	"/search.php?q=Paris+map&polygon_geojson=1", "/lookup?osm_ids=R62422&format=json", "/route/v1/driving/13.4,52.5;2.35,48.85?overview=full",
	"/w/api.php?action=query&format=json&titles=Berlin&prop=extracts", "/w/api.php?action=query&list=search&srsearch=Paris&format=json&origin=*",
	"/w/api.php?action=wbgetentities&ids=Q64&props=labels%7Cdescriptions&languages=en&format=json", "/wiki/Special:EntityData/Q64.json",
	"/w/api.php?action=wbsearchentities&search=Rose&language=en&type=item", "/w/index.php?title=Berlin&action=raw", "/wiki/Berlin", "/wiki/File:Map_of_Paris.png",
	"/wiki/Category:Paris", "/api/rest_v1/page/summary/Berlin", "/api/rest_v1/page/media-list/Paris?lang=en", "/api/rest_v1/data/css/mobile/site",
	"/sparql?query=SELECT%20%3Fitem%20WHERE%20%7B%20%3Fitem%20wdt%3AP31%20wd%3AQ146%20%7D&format=json", "/sparql?query=SELECT+%2A+WHERE+%7B%3Fs+rdfs%3Alabel+%22Berlin%22%40en%7D",
	"/bigdata/namespace/wdq/sparql?format=json&query=%23Rose", "/v1/forecast?latitude=52.52&longitude=13.41&hourly=temperature_2m&timezone=Europe%2FBerlin",
	"/data/2.5/weather?q=London,uk&units=metric", "/data/2.5/weather?city=Berlin", "/v1/search?name=Paris&count=10&language=en&format=json", "/translate?q=page+title&source=en&target=de&format=text",
	"/api/translate?text=Search&from=en&to=fr", "/translate_a/single?client=gtx&sl=en&tl=de&dt=t&q=Image", "/citation/mediawiki/10.1000%2Fxyz123", "/works?query.title=Data&rows=5",
	"/works/10.1000/182", "/isbn/9780140328721.json", "/api/books?bibkeys=ISBN:0451526538&format=json&jscmd=data", "/api/v1/query?dataset=summary&page=2",
	"/iiif/2/image/full/max/0/default.jpg", "/fonts/roboto/v30/KFOmCnqEu92Fr1Mu4mxK.woff2", "/image/png;base64,iVBORw0KGgo=", "/search?q=K%C3%B6ln&lang=de",
	"/api/?title=Main+Page&format=json&callback=cb", "/org/wiki/api/json?map=berlin",
}

// Case 39. Readers whose name is a word ask for what all ask for.
func TestCase39NamesThatAreWords(t *testing.T) {
	tool := ToolOf(&noticeboard.Tool{Name: "maps", Origin: "https://maps.example.org", Title: "A map"})
	wrong, n := 0, 0
	for _, name := range wordNames {
		reader := Reader{Secrets: []Secret{{Field: FieldUser, Value: name}}}
		for _, request := range innocentRequests {
			n++
			if refused := reader.Check([]byte(request), tool); refused != nil {
				wrong++
				t.Errorf("%s is refused %s", name, request)
			}
		}
		for _, body := range []string{`{"query":"` + name + `","format":"json"}`, `{"variables":{"title":"` + name + `"}}`, "q=" + url.QueryEscape(name) + "&lang=en"} {
			if refused := reader.Check([]byte(body), tool); refused != nil {
				t.Errorf("%s is refused the body %s", name, body)
			}
		}
	}
	if n != 900 {
		t.Errorf("%d requests", n)
	}
	t.Logf("%d of %d refused wrongly", wrong, n)
}

// The same readers' names are found where they are names.
func TestCase39NamesAreFound(t *testing.T) {
	tool := ToolOf(&noticeboard.Tool{Name: "maps", Origin: "https://maps.example.org"})
	for _, name := range append([]string{"Carola", "Zebulon", "bernd"}, wordNames...) {
		reader := Reader{Secrets: []Secret{{Field: FieldUser, Value: name}}}
		escaped := url.QueryEscape(name)
		for _, text := range []string{
			"/wiki/User:" + escaped, "/w/index.php?title=User:" + escaped, "/w/index.php?title=User%3A" + escaped + "%2Fsandbox", "/?titles=Main|User_talk:" + escaped,
			"/x?username=" + escaped, "/x?user=" + escaped + "&y", "/x?author=" + escaped, "/x?ususers=" + escaped, "/x?user_name=" + strings.ToLower(escaped), "/x?who=" + escaped,
			"/user/" + escaped, "/users/" + escaped + "/edits", "/Special:Contributions/" + escaped, "/~" + escaped + "/", "/@" + escaped, "/x?q=@" + escaped,
			`{"user":"` + name + `"}`, `{"a":1, "userName" : "` + name + `"}`, `{"author":["` + name + `"]}`, "user=" + escaped, "x=1&author=" + escaped,
			"/x?title=Benutzer:" + escaped, "/x?title=Benutzerin_Diskussion:" + escaped, "/x?t=" + url.QueryEscape("Участник:"+name), "/x?q=" + base64.StdEncoding.EncodeToString([]byte("User:"+name)),
			"/x?q=" + base64.RawURLEncoding.EncodeToString([]byte(name)), "/x?state=" + base64.StdEncoding.EncodeToString([]byte(`{"user":"`+name+`"}`)),
		} {
			if refused := reader.Check([]byte(text), tool); refused == nil || !strings.Contains(refused.Error(), "your user name") {
				t.Errorf("%s gets through: %s", name, text)
			}
		}
	}
	for _, name := range []string{"Carola", "Zebulon"} { // no words of the tool's
		reader := Reader{Secrets: []Secret{{Field: FieldUser, Value: name}}}
		for _, text := range []string{"/x?x=" + name, "/x?" + name, name, `{"x":"` + name + `"}`, "/x?a=%43arola&b=%5aebulon"} {
			if reader.Check([]byte(text), tool) == nil {
				t.Errorf("%s gets through: %s", name, text)
			}
		}
	}
}

// A tool that is declared to get the name gets that of readers who agreed, and nothing else of them.
func TestCase39NamesReader(t *testing.T) {
	tool := ToolOf(&noticeboard.Tool{Name: "edits", Origin: "https://edits.example.org", Names: noticeboard.NamesReader})
	for text, field := range map[string]string{
		"/edits?user=Alice+Example": "", "/x?q=" + leaktest.Base64("Alice Example"): "", "/x?id=4821337": "your user ID", "/x?ip=203.0.113.77": "your address",
		"/x?s=k3v9qf2m1t8s7r6p5n4b0c1d2e3f4g5h": "your session",
	} {
		if refused := alice.Check([]byte(text), tool); refused == nil {
			t.Errorf("%s gets through without consent", text)
		}
		agreed := Reader{Secrets: alice.Secrets, Named: []string{"maps", "edits"}}
		refused := agreed.Check([]byte(text), tool)
		if (refused == nil) != (field == "") || refused != nil && !strings.Contains(refused.Error(), field) {
			t.Errorf("%s: %v, want %q", text, refused, field)
		}
		undeclared := ToolOf(&noticeboard.Tool{Name: "edits", Origin: "https://edits.example.org"})
		if refused := agreed.Check([]byte(text), undeclared); refused == nil {
			t.Errorf("%s gets through to a tool that isn't declared so", text)
		}
	}
}
