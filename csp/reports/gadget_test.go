package reports

import (
	"strings"
	"testing"
)

func TestSource(t *testing.T) {
	page, _ := parseURL(wiki + "/wiki/Main_Page")
	gadgets := "ext.gadget.a" + strings.Repeat(",b", 300)
	for name, c := range map[string]struct{ file, gadget, page string }{
		"none":                        {"", "", "/wiki/Main_Page"},
		"no URL":                      {"inline", "", "/wiki/Main_Page"},
		"the page itself":             {wiki + "/wiki/Main_Page?action=edit", "", "/wiki/Main_Page"},
		"load.php, query stripped":    {wiki + "/w/load.php", "/w/load.php", ""},
		"one gadget":                  {wiki + "/w/load.php?lang=en&modules=ext.gadget.HotCat&skin=vector", "ext.gadget.HotCat", ""},
		"one gadget among modules":    {wiki + "/w/load.php?modules=ext.gadget.HotCat%7Cjquery%2Cuser%7Cmediawiki.api,util", "ext.gadget.HotCat", ""},
		"packed gadgets":              {wiki + "/w/load.php?modules=ext.gadget.Pop-up,HotCat|site", "ext.gadget.HotCat|ext.gadget.Pop-up", ""},
		"in the same order, once":     {wiki + "/w/load.php?modules=ext.gadget.B,A,B", "ext.gadget.A|ext.gadget.B", ""},
		"very many gadgets":           {wiki + "/w/load.php?modules=" + gadgets + "," + strings.Repeat("c", 250), manyGadgets, ""},
		"the last modules count":      {wiki + "/w/load.php?modules=ext.gadget.A&modules=ext.gadget.B", "ext.gadget.B", ""},
		"a reader's own modules":      {wiki + "/w/load.php?modules=user&user=Alice", "user", ""},
		"Common.js":                   {wiki + "/w/load.php?modules=site", "site", ""},
		"modules but no gadget":       {wiki + "/w/load.php?modules=jquery|ext.gadgets", "/w/load.php", ""},
		"a broken query":              {wiki + "/w/load.php?modules=%zz&x=;", "/w/load.php", ""},
		"index.php":                   {wiki + "/w/index.php?title=MediaWiki:Gadget-X.js&action=raw&ctype=text/javascript", "MediaWiki:Gadget-X.js", ""},
		"spelled otherwise":           {wiki + "/w/index.php?action=raw&title=mediaWiki%3Agadget-My%20tool.js", "MediaWiki:Gadget-My_tool.js", ""},
		"a page that is no code":      {wiki + "/w/index.php?title=Talk:Alice", "/w/index.php", ""},
		"in the path":                 {wiki + "/wiki/MediaWiki:Gadget-X.js?action=raw", "MediaWiki:Gadget-X.js", ""},
		"in the path, encoded":        {wiki + "/wiki/MediaWiki%3AGadget-%C3%84.js", "MediaWiki:Gadget-Ä.js", ""},
		"a shared user script":        {wiki + "/wiki/User:Alice/tools/best.js", "User:Alice/tools/best.js", ""},
		"a personal script":           {wiki + "/w/index.php?title=User:Alice/common.js&action=raw", "User:*/common.js", ""},
		"a personal style elsewhere":  {wiki + "/wiki/Benutzerin:Alice/vector-2022.css", "Benutzerin:*/vector-2022.css", ""},
		"an address's script":         {wiki + "/wiki/User:192.0.2.7/best.js", "User:*/best.js", ""},
		"a file of the wiki":          {wiki + "/w/resources/x.js?1234", "/w/resources/x.js", ""},
		"a file from elsewhere":       {"https://cdn.example:444/lib.js?u=1", "https://cdn.example:444/lib.js", ""},
		"a gadget from another wiki":  {"https://meta.example/w/index.php?title=MediaWiki:Gadget-X.js", "https://meta.example MediaWiki:Gadget-X.js", ""},
		"an unprintable title":        {wiki + "/w/index.php?title=MediaWiki:%E2%80%AE.js", "/w/index.php", ""},
		"an unprintable path":         {wiki + "/w/%E2%80%AEx.js", "/w/%E2%80%AEx.js", ""},
		"a host without path":         {"https://cdn.example", "https://cdn.example/", ""},
		"another scheme is not named": {"blob:" + wiki + "/1234", "", "/wiki/Main_Page"},
	} {
		t.Run(name, func(t *testing.T) {
			gadget, path := source(c.file, page)
			if gadget != c.gadget || path != c.page {
				t.Errorf("got %q, %q, want %q, %q", gadget, path, c.gadget, c.page)
			}
		})
	}
}

func TestCleanPath(t *testing.T) {
	for _, c := range []struct{ path, want string }{
		{"", "/"},
		{"/wiki/Ä_b", "/wiki/Ä_b"},
		{"/wiki/Special:Contributions/192.0.2.1", "/wiki/Special:Contributions/*"},
		{"/wiki/Special:Contributions/192.0.2.0/24", "/wiki/Special:Contributions/*/24"},
		{"/wiki/Special:Contributions/2001:DB8:0:0:0:0:0:1", "/wiki/Special:Contributions/*"},
		{"/wiki/User:192.0.2.1", "/wiki/User:*"},
		{"/wiki/User_talk:2001:DB8::1/x", "/wiki/User_talk:*/x"},
		{"/wiki/Version_1.2.3", "/wiki/Version_1.2.3"},
		{"/wiki/Talk:3:15", "/wiki/Talk:3:15"},
		{"/" + strings.Repeat("ä", 200), "/" + strings.Repeat("ä", 127)},
		{"/a\x00b", "/a%00b"},
	} {
		if got := cleanPath(c.path); got != c.want {
			t.Errorf("%q: %q, want %q", c.path, got, c.want)
		}
	}
}
