package exempt

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLocalPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		b := s.browser()
		page := b.follow(b.get(wiki+GoPath+"?tool=localhost:8080"), port).Body.String()
		if !strings.Contains(page, "For developers.") || strings.Contains(page, "network address") || strings.Contains(page, "Not stated") {
			t.Errorf("the page does not say what this is:\n%s", page)
		}
		b.grant("localhost:8080")
		b.wantThrough("localhost:8080")
		tools, _ := s.site.Tools(b.request("GET", wiki+"/", ""))
		templates, err := s.policies.For(tools)
		if err != nil {
			t.Fatal(err)
		}
		const origins = " http://localhost:8080 http://127.0.0.1:8080"
		for _, want := range []string{
			"script-src 'self' 'unsafe-inline' 'unsafe-eval'" + origins + ";", "img-src 'self' data: blob:" + origins + ";",
			"connect-src 'self'" + origins + " ws://localhost:8080 ws://127.0.0.1:8080;", "script-src-attr 'none';", "frame-src 'none';",
		} {
			if !strings.Contains(text(templates[0]), want) {
				t.Errorf("the policy lacks %q: %s", want, text(templates[0]))
			}
		}
		time.Sleep(localLife - 5*time.Second - time.Second)
		b.wantThrough("localhost:8080")
		time.Sleep(6 * time.Second)
		b.wantThrough("")
		b.grant("localhost:8080")

		b.wantThrough("localhost:8080")
		s.config.Localhost = false
		s.renew()
		b.wantThrough("")
		s.wantRefusal(b.get(wiki+GoPath+"?tool=localhost:8080"), errNoTool)
	})
}

func TestLocalNames(t *testing.T) {
	for _, name := range []string{
		"localhost", "localhost:", "localhost:0", "localhost:65536", "localhost:080", "localhost:+80", "localhost:8 0", "localhost:http",
		"Localhost:80", "127.0.0.1:80", "localhost:80/", "localhost:80:80", "localhost:*", "localhost:٨٠",
	} {
		if localTool(name) != nil {
			t.Errorf("%q is a port", name)
		}
	}
	for _, name := range []string{"localhost:1", "localhost:80", "localhost:65535"} {
		if tool := localTool(name); tool == nil || tool.Name != name {
			t.Errorf("%q is no port", name)
		}
	}
}

func FuzzLocalTool(f *testing.F) {
	f.Add("localhost:8080")
	f.Add("localhost:0")
	f.Add("localhost:443; script-src *")
	f.Fuzz(func(t *testing.T, name string) {
		tool := localTool(name)
		if tool == nil {
			return
		}
		port := strings.TrimPrefix(name, localPrefix)
		if strings.Trim(port, "0123456789") != "" || len(port) > 5 || tool.Origin != "http://localhost:"+port {
			t.Errorf("%q became %v", name, tool.Origins())
		}
	})
}
