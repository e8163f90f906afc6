package mask

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/masking/spelling"
)

const formType = "application/x-www-form-urlencoded"

// Addresses that people give the wiki by accident stop at the edge, whatever they are written in, and are neither repeated nor logged.
func TestRejectIPInput(t *testing.T) {
	wiki := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%sthe app", body)
		if err != nil {
			t.Error(err)
		}
	})
	e := edgetest.New(t, "{\n{GLOBAL}\nwikiveil {\ndata_dir {DIR}/data\nsightings {\nseal local\n}\n}\n}\nhttp://{SITE} {\nlog\nclient_mask {\nreject_ip_input note /api/*\n}\n"+
		"mask_info {\nuser 1 info\n}\nreverse_proxy "+wiki.Address()+"\n}\n")
	send := func(method, path, kind, body string, header ...string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequest(method, "http://"+e.Site+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := edgetest.From(t, "127.61.2.3").Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(answer)
	}
	multi := func(field, value string) (kind, body string) {
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		file, _ := w.CreateFormFile("file", "198.51.100.7")
		fmt.Fprint(file, "198.51.100.7")
		w.WriteField(field, value)
		w.Close()
		return w.FormDataContentType(), form.String()
	}
	multiKind, multiBody := multi("wpTarget", "198.51.100.7")
	filler := "text=" + strings.Repeat("a", 100<<10) + "&"
	for name, c := range map[string]struct{ method, path, kind, body string }{
		"a path":              {"GET", "/wiki/Special:Block/198.51.100.7", "", ""},
		"a range in a path":   {"GET", "/wiki/Special:Contributions/198.51.100.0/24", "", ""},
		"IPv6 in a path":      {"GET", "/wiki/Special:Contributions/2001:DB8:0:0:0:0:0:7", "", ""},
		"an escaped path":     {"GET", "/wiki/Special:Contributions/%32001%3Adb8%3A%3A7", "", ""},
		"a title":             {"GET", "/w/index.php?title=Special:Contributions/198.51.100.7", "", ""},
		"a user's page":       {"GET", "/w/index.php?title=User_talk:198.51.100.7", "", ""},
		"a search":            {"GET", "/w/index.php?search=+198.51.100.7+", "", ""},
		"a target":            {"GET", "/w/index.php?title=Special:Contributions&target=2001%3Adb8%3A%3A7%2F64", "", ""},
		"a name of no field":  {"GET", "/w/index.php?198.51.100.7", "", ""},
		"a form":              {"POST", "/w/index.php", formType, filler + "wpTarget=198.51.100.7&wpReason=spam"},
		"a list in a form":    {"POST", "/w/api.php", formType + "; charset=UTF-8", "bkusers%5B%5D=198.51.100.7%7C2001:db8::7"},
		"first and last":      {"POST", "/w/index.php", formType, "range=198.51.100.0+-+198.51.100.255"},
		"a multipart form":    {"POST", "/w/index.php", multiKind, multiBody},
		"JSON":                {"POST", "/w/rest.php", "application/json", `{"a":[1,{"b":"x"}],"users":["Alice","198.51.100.7"]}`},
		"an address and port": {"GET", "/w/api.php?ucuser=198.51.100.7:8080", "", ""},
	} {
		resp, body := send(c.method, c.path, c.kind, c.body)
		if resp.StatusCode != 400 || !strings.Contains(body, "That was an IP address") || !strings.Contains(body, `action="/.privacy/masks/"`) ||
			len(wiki.Take()) != 0 || strings.Contains(body, "198.51.100") || strings.Contains(strings.ToLower(body), "2001:") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	for _, address := range []string{"198.51.100.7", "2001:db8::7", "2001:0DB8:0000::0:7", "[2001:db8::7]:443", "::ffff:198.51.100.7", "0xc6.0x33.0x64.0x7",
		"198%2E51%2E100%2E7", "７", "198.051.100.007", "7.100.51.198.in-addr.arpa", "198.51.100.7/32", "１９８.51.100.7"} {
		address = strings.Replace(address, "７", "198．51．100．7", 1)
		if resp, body := send("POST", "/w/index.php", formType, "wpTarget="+url.QueryEscape(address)); resp.StatusCode != 400 || len(wiki.Take()) != 0 {
			t.Errorf("spelled %q: %d %s", address, resp.StatusCode, body)
		}
	}
	exceptKind, exceptBody := multi("note", "198.51.100.7")
	for name, c := range map[string]struct {
		method, path, kind, body string
		header                   []string
	}{
		"text":           {"POST", "/", formType, "wpTextbox1=It+was+198.51.100.7+again", nil},
		"numbers":        {"GET", "/w/index.php?oldid=3325256711&ts=20261201034500&v=1.2.3&title=1.2.3.4.5", "", "", nil},
		"a title":        {"GET", "/wiki/User:Alice/Cafe::Add", "", "", nil},
		"a mask":         {"POST", "/w/index.php", formType, "wpTarget=2001:2F:1:2:3:4:5:6", nil},
		"a mask's page":  {"GET", "/wiki/Special:Contributions/2001:2F:1:2:3:4:5:6", "", "", nil},
		"a named field":  {"POST", "/", exceptKind, exceptBody, nil},
		"a named path":   {"GET", "/api/198.51.100.7", "", "", nil},
		"a style sheet":  {"GET", "/skins/1.39.10.2/a.css?1.39.10.2", "", "", []string{"Sec-Fetch-Dest", "style"}},
		"a password":     {"POST", "/", formType, "wpPassword=198.51.100.7", nil},
		"half a field":   {"POST", "/", formType, "a=" + strings.Repeat("a", maxLookedAt-17) + "&b=198.51.100.7 is not all", nil},
		"broken JSON":    {"POST", "/", "application/json", `{"a":}]]]`, nil},
		"no boundary":    {"POST", "/", "multipart/form-data", "--\r\n\r\n198.51.100.7", nil},
		"another type":   {"POST", "/", "text/plain", "198.51.100.7", nil},
		"a long body":    {"POST", "/", formType, "a=" + strings.Repeat("b", 3*maxLookedAt) + "&c=d", nil},
		"deep JSON":      {"POST", "/", "application/json", strings.Repeat("[", 100<<10), nil},
		"too many parts": {"GET", "/" + strings.Repeat("a/", 4<<10), "", "", nil},
	} {
		resp, body := send(c.method, c.path, c.kind, c.body, c.header...)
		if resp.StatusCode != 200 || body != c.body+"the app" {
			t.Errorf("%s: %d %.300s", name, resp.StatusCode, body)
		}
	}
	// Programs are told in one sentence; so is a script.
	for _, header := range [][]string{{"Accept", "application/json"}, {"Sec-Fetch-Dest", "empty"}} {
		resp, body := send("GET", "/w/api.php?ucuser=198.51.100.7", "", "", header...)
		if resp.StatusCode != 400 || !strings.HasPrefix(body, "This wiki takes no IP addresses") || strings.Contains(body, "<") {
			t.Errorf("%v: %d %s", header, resp.StatusCode, body)
		}
	}
	if _, body := send("GET", "/w/index.php?uselang=fa&search=198.51.100.7", "", ""); !strings.Contains(body, `dir="rtl"`) || strings.Contains(body, "198.51") {
		t.Errorf("in Persian: %s", body)
	}
	log := e.ReadLog(t)
	if !strings.Contains(log, "wpTarget") && !strings.Contains(log, "/wiki/Special:Block/") {
		t.Error("nothing is logged")
	}
	for _, line := range strings.Split(log, "\n") {
		for at := 0; ; {
			found, ok := spelling.Next(line, at)
			if !ok {
				break
			}
			if text := found.Addr.String(); strings.HasPrefix(text, "198.51.") || strings.HasPrefix(text, "2001:db8") {
				t.Errorf("logged: %s", line)
			}
			at = found.End
		}
	}
}

func TestRejectIPInputConfig(t *testing.T) {
	site := "{\n{GLOBAL}\n}\nhttp://{SITE} {\nclient_mask {\n%s\n}\nrespond ok\n}\n"
	for given, want := range map[string]string{
		"mode observe\nreject_ip_input":        "mode observe changes nothing",
		"reject_ip_input a*":                   `"a*" is neither a field's name nor a path`,
		"reject_ip_input /a*b":                 `"/a*b" is neither`,
		"reject_ip_input \"\"":                 `"" is neither`,
		"reject_ip_input a\nreject_ip_input b": "given twice",
	} {
		edgetest.WantRefused(t, edgetest.Validate(t, fmt.Sprintf(site, given)), want)
	}
	if err := edgetest.Validate(t, fmt.Sprintf(site, "reject_ip_input")); err != nil {
		t.Error(err)
	}
}

// However a request is made up, little of it is taken apart.
func TestInputsWork(t *testing.T) {
	for _, unit := range []string{"a=1:&", "a=" + strings.Repeat("a1:", 330) + "&", "a=" + strings.Repeat("1.1-", 250) + "&", "a=" + strings.Repeat("/1:", 80) + "&"} {
		look := &inputs{}
		if form := strings.Repeat(unit, maxLookedAt/len(unit)); look.urlencoded(form) {
			t.Errorf("%.20s is an address", unit)
		}
		if look.work != maxWork {
			t.Errorf("%.20s: %d bytes were taken apart", unit, look.work)
		}
	}
}

func FuzzInputs(f *testing.F) {
	f.Add("application/json", `{"a":["198.51.100.7"]}`)
	f.Add(formType, "a=b&c%5B=2001%3Adb8::7|::1")
	f.Add("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n198.51.100.7\r\n--x--")
	f.Fuzz(func(t *testing.T, kind, body string) {
		r, err := http.NewRequest("POST", "http://wiki.example/", io.NopCloser(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		(&inputs{}).body(r)
		(&inputs{}).urlencoded(body)
		if rest, err := io.ReadAll(r.Body); err != nil || string(rest) != body {
			t.Errorf("the body became %q: %v", rest, err)
		}
	})
}
