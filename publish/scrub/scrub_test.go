package scrub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/publish/check"
)

var testMasker = func() *masking.Masker {
	m, err := masking.NewMasker(make([]byte, masking.MinSecretSize), "test", 0)
	if err != nil {
		panic(err)
	}
	return m
}()

// mask is an address's or a range's in RFC 5952's form, and wiki in MediaWiki's, made without the code that is tested.
func mask(of string) string {
	var m netip.Addr
	var err error
	if prefix, errRange := netip.ParsePrefix(of); errRange == nil {
		m, err = testMasker.Range(prefix)
	} else {
		m, err = testMasker.Client(netip.MustParseAddr(of))
	}
	if err != nil {
		panic(err)
	}
	return m.String()
}

func wiki(of string) string {
	var groups []string
	for _, group := range strings.Split(netip.MustParseAddr(mask(of)).StringExpanded(), ":") {
		if group = strings.TrimLeft(group, "0"); group == "" {
			group = "0"
		}
		groups = append(groups, strings.ToUpper(group))
	}
	return strings.Join(groups, ":")
}

// fill puts masks for {address} and MediaWiki's form of them for {{address}}.
func fill(text string) string {
	for _, form := range []struct {
		start, end string
		of         func(string) string
	}{{"{{", "}}", wiki}, {"{", "}", mask}} {
		for {
			before, rest, ok := strings.Cut(text, form.start)
			addr, after, _ := strings.Cut(rest, form.end)
			if !ok {
				break
			}
			text = before + form.of(addr) + after
		}
	}
	return text
}

func scrubbed(t testing.TB, in string, o Options) string {
	t.Helper()
	o.Masker = testMasker
	var out bytes.Buffer
	if err := Run(&out, strings.NewReader(in), o); err != nil {
		t.Fatalf("%v in %q", err, in)
	}
	return out.String()
}

const (
	xmlHead = `<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="de">
  <siteinfo>
    <namespaces>
      <namespace key="-1" case="first-letter">Spezial</namespace>
      <namespace key="0" case="first-letter" />
      <namespace key="2" case="first-letter">Benutzer</namespace>
      <namespace key="3" case="first-letter">Benutzer Diskussion</namespace>
      <namespace key="4" case="first-letter">Veiled</namespace>
    </namespaces>
  </siteinfo>
`
	xmlEnd = "</mediawiki>\n"
)

// Each line in is a line out, as it is said in the second; a "" is the same.
var cases = map[Format][][2]string{
	XML: {
		{"<ip>203.0.113.77</ip>", "<ip>{{203.0.113.77}}</ip>"},
		{"<ip>2A02:8109:B0:1C2:0:0:0:5E</ip>", "<ip>{{2a02:8109:b0:1c2::}}</ip>"},
		{"<ip>pool-1.isp.example</ip>", ""},
		{"<username>imported&gt;203.0.113.77</username>", "<username>imported&gt;{{203.0.113.77}}</username>"},
		{"<username>203.0.113.77 fan</username>", ""},
		{"<title>Benutzer Diskussion:203.0.113.77/Archiv</title>", "<title>Benutzer Diskussion:{{203.0.113.77}}/Archiv</title>"},
		{"<title>User talk:203.0.113.77</title>", "<title>User talk:{{203.0.113.77}}</title>"},
		{"<title>1.1.1.1</title>", ""},
		{"<title>Veiled:1.1.1.1</title>", ""},
		{`<redirect title="Benutzer:203.0.113.77" />`, `<redirect title="Benutzer:{{203.0.113.77}}" />`},
		{"<logtitle>Benutzer:203.0.113.0/24</logtitle>", "<logtitle>Benutzer:{{203.0.113.0/24}}</logtitle>"},
		{"<comment>Undid by [[Spezial:Beiträge/203.0.113.77|203.0.113.77]] ([[BENUTZER DISKUSSION:203.0.113.77|Diskussion]]) of 1.2.3.4</comment>",
			"<comment>Undid by [[Spezial:Beiträge/{{203.0.113.77}}|{{203.0.113.77}}]] ([[BENUTZER DISKUSSION:{{203.0.113.77}}|Diskussion]]) of 1.2.3.4</comment>"},
		{"<comment>https://w.example/wiki/User_talk%3A203.0.113.77?x [[w:de:Benutzerin:203.0.113.78]] [[Veiled:1.2.3.4]] [[:User:203.0.113.77#a|me]]</comment>",
			"<comment>https://w.example/wiki/User_talk%3A{{203.0.113.77}}?x [[w:de:Benutzerin:{{203.0.113.78}}]] [[Veiled:1.2.3.4]] [[:User:{{203.0.113.77}}#a|me]]</comment>"},
		{`<params xml:space="preserve">a:2:{s:9:&quot;4::target&quot;;s:22:&quot;User talk:203.0.113.77&quot;;s:1:&quot;x&quot;;i:1;}</params>`,
			`<params xml:space="preserve">a:2:{s:9:&#34;4::target&#34;;s:LEN:&#34;User talk:{{203.0.113.77}}&#34;;s:1:&#34;x&#34;;i:1;}</params>`},
		{"<ip>2001:2F:1A2B:3C4D:5E6F:708:90A:B0C</ip>", ""},
		{"<comment>a &lt;b&gt; 1.2.3.4 &amp; ::Add</comment>", ""},
	},
	SQL: {
		{"INSERT INTO `actor` VALUES (1,NULL,'203.0.113.77'),(2,1,'Admin'),(3,NULL,'2A02:8109:B0:1C2:0:0:0:5E');", "INSERT INTO `actor` VALUES (1,NULL,'{{203.0.113.77}}'),(2,1,'Admin'),(3,NULL,'{{2a02:8109:b0:1c2::}}');"},
		{"INSERT INTO `x_page` VALUES (1,3,'203.0.113.77',0),(2,0,'1.1.1.1',0),(3,2,'203.0.113.77/Sub',0),(4,2,'It\\'s',0);", "INSERT INTO `x_page` VALUES (1,3,'{{203.0.113.77}}',0),(2,0,'1.1.1.1',0),(3,2,'{{203.0.113.77}}/Sub',0),(4,2,'It\\'s',0);"},
		{`INSERT INTO ` + "`logging`" + ` VALUES (1,'a:1:{s:9:\"4::target\";s:12:\"203.0.113.77\";}','x\\');`, `INSERT INTO ` + "`logging`" + ` VALUES (1,'a:1:{s:9:\"4::target\";s:LEN:\"{{203.0.113.77}}\";}','x\\');`},
		{"INSERT INTO `cu_changes` VALUES (1,'203.0.113.77','CB00714D','20261130101112');", "INSERT INTO `cu_changes` VALUES (1,'{{203.0.113.77}}','HEX','20261130101112');"},
		{"INSERT INTO `other` VALUES (1,'CB00714D','MediaWiki 1.39.10.2','a [[User:203.0.113.77]]');", "INSERT INTO `other` VALUES (1,'CB00714D','MediaWiki 1.39.10.2','a [[User:{{203.0.113.77}}]]');"},
		{"INSERT INTO `actor` VALUES (1,NULL,0x3230332E302E3131332E3737),(2,1,0x41646D696E);", "INSERT INTO `actor` VALUES (1,NULL,0xACTOR),(2,1,0x41646D696E);"},
		{"INSERT INTO `revision` VALUES (1,'phoiac9h4m842xq45sp7s6u21eteeq1');", "INSERT INTO `revision` VALUES (1,'');"},
		{"INSERT INTO `image` VALUES (1,'phoiac9h4m842xq45sp7s6u21eteeq1');", ""},
		{"-- MariaDB's dump of 203.0.113.77", ""},
	},
	Log: {
		{`203.0.113.77 - - [30/Nov/2026:10:11:12 +0000] "GET /wiki/User:198.51.100.8 HTTP/1.1" 200 5 "-" "Foo 1.2.3.4 Chrome/120.0.0.0"`,
			`{203.0.113.77} - - [30/Nov/2026:10:11:12 +0000] "GET /wiki/User:{198.51.100.8} HTTP/1.1" 200 5 "-" "Foo 1.2.3.4 Chrome/120.0.0.0"`},
		{`2a02:8109:b0:1c2::5e - - [30/Nov/2026:10:11:12 +0000] "GET /w/index.php?title=Special%3AContributions%2F198.51.100.8 HTTP/1.1" 200 5 "-" "-" "203.0.113.77, 198.51.100.8"`,
			`{2a02:8109:b0:1c2::} - - [30/Nov/2026:10:11:12 +0000] "GET /w/index.php?title=Special%3AContributions%2F{198.51.100.8} HTTP/1.1" 200 5 "-" "-" "{203.0.113.77}, {198.51.100.8}"`},
	},
	JSON: {
		{`{"remote_ip":"203.0.113.77","uri":"/wiki/User_talk:198.51.100.8","ua":"Foo 1.2.3.4","xff":["203.0.113.77, 198.51.100.8"],"peer":"203.0.113.77:51234"}`,
			`{"remote_ip":"{203.0.113.77}","uri":"/wiki/User_talk:{198.51.100.8}","ua":"Foo 1.2.3.4","xff":["{203.0.113.77}, {198.51.100.8}"],"peer":"[{203.0.113.77}]:0"}`},
	},
	TSV: {
		{"1\t203.0.113.77\tsays 1.2.3.4", "1\t{203.0.113.77}\tsays 1.2.3.4"},
		{"203.0.113.0/24\tx", "{203.0.113.0/24}\tx"},
	},
}

func around(format Format, lines string) string {
	switch format {
	case XML:
		return xmlHead + lines + xmlEnd
	case SQL:
		return "-- MySQL dump 10.13\n" + lines + "-- Dump completed\n"
	}
	return lines
}

func TestContributors(t *testing.T) {
	for format, of := range cases {
		for _, c := range of {
			in, want := c[0], c[0]
			if c[1] != "" {
				want = c[1]
				// "{" stands in serialized values, too.
				want = strings.NewReplacer(":{s", ":\x01s", `:{"`, `:{"`).Replace(want)
				if format == JSON {
					want = "\x01" + want[1:]
				}
				want = strings.ReplaceAll(fill(want), "\x01", "{")
				length := len(wiki("203.0.113.77"))
				if strings.Contains(want, "User talk:") {
					length += len("User talk:")
				}
				want = strings.ReplaceAll(want, "s:LEN:", fmt.Sprintf("s:%d:", length))
				want = strings.ReplaceAll(want, "HEX", "v6-"+strings.ToUpper(strings.ReplaceAll(netip.MustParseAddr(mask("203.0.113.77")).StringExpanded(), ":", "")))
				want = strings.ReplaceAll(want, "0xACTOR", fmt.Sprintf("0x%X", wiki("203.0.113.77")))
			}
			in, want = around(format, in+"\n"), around(format, want+"\n")
			got := scrubbed(t, in, Options{Format: format, Mode: Contributors})
			if got != want {
				t.Errorf("%s: got  %s\nwant %s", format, strings.TrimPrefix(got, xmlHead), strings.TrimPrefix(want, xmlHead))
			}
			if again := scrubbed(t, got, Options{Format: format, Mode: Contributors}); again != got {
				t.Errorf("%s: a second pass makes %s", format, again)
			}
		}
	}
}

// Everywhere leaves nothing that check finds, and a second pass changes nothing.
func TestEverywhere(t *testing.T) {
	for format, of := range cases {
		for _, c := range of {
			in := around(format, c[0]+"\n")
			got := scrubbed(t, in, Options{Format: format, Mode: Everywhere})
			if _, err := check.Run(strings.NewReader(got), check.Options{Versions: true}, func(f check.Finding) {
				t.Errorf("%s: %s is left in %s", format, f.Text(), got)
			}); err != nil {
				t.Error(err)
			}
			if again := scrubbed(t, got, Options{Format: format, Mode: Everywhere}); again != got {
				t.Errorf("%s: a second pass makes %s\nof %s", format, again, got)
			}
		}
	}
	in := around(XML, "<text>v1.2.3.4 203.0.113.77 192.0.2.1 &amp;#50;03.0.113.77 ip-203-0-113-77.isp.example</text>")
	got := scrubbed(t, in, Options{Mode: Everywhere, Versions: true, Keep: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	if want := around(XML, fill("<text>v1.2.3.4 {{203.0.113.77}} 192.0.2.1 {{203.0.113.77}} ip-{{203.0.113.77}}.isp.example</text>")); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// The checksums of a text whose address isn't known would tell it.
func TestChecksums(t *testing.T) {
	const revision = `<page><title>A</title><revision><id>1</id><contributor><username>A</username></contributor><text bytes="%d" sha1="%s" xml:space="preserve">%s</text><sha1>%s</sha1></revision></page>` + "\n"
	make := func(text string) string {
		plain := strings.ReplaceAll(text, "&amp;", "&")
		sum := base36SHA1(plain)
		return fmt.Sprintf(revision, len(plain), sum, text, sum)
	}
	if sum := base36SHA1(""); sum != "phoiac9h4m842xq45sp7s6u21eteeq1" { // MediaWiki's SlotRecord::base36Sha1( '' )
		t.Fatalf("got %s", sum)
	}
	untouched := fmt.Sprintf(revision, 7, "wrong", "nothing", "wrong")
	in := around(XML, untouched+make("a &amp; [[User:203.0.113.77]]")+untouched+make("b [[User:203.0.113.77]]"))
	want := around(XML, untouched+make("a &amp; [[User:"+wiki("203.0.113.77")+"]]")+untouched+make("b [[User:"+wiki("203.0.113.77")+"]]"))
	if got := scrubbed(t, in, Options{}); got != want {
		t.Errorf("got  %s\nwant %s", got[len(xmlHead):], want[len(xmlHead):])
	}
}

func TestBlockedRange(t *testing.T) {
	in := around(SQL, "INSERT INTO `ipblocks` VALUES (1,'203.0.0.0/16','CB000000','CB00FFFF');\n")
	stored := "v6-" + strings.ToUpper(strings.ReplaceAll(netip.MustParseAddr(mask("203.0.0.0/16")).StringExpanded(), ":", ""))
	want := around(SQL, "INSERT INTO `ipblocks` VALUES (1,'"+wiki("203.0.0.0/16")+"','"+stored+"','"+stored+"');\n")
	if got := scrubbed(t, in, Options{}); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestLongInputs(t *testing.T) {
	for format, of := range cases {
		var lines, masked []string
		for _, c := range of {
			line := c[0] + "\n"
			if format == XML {
				line = "<page><revision>" + line + "<text>" + strings.Repeat("lorem ipsum ", 1000) + "</text></revision></page>\n"
			}
			head := len(around(format, "")) - len(tail(format))
			out := scrubbed(t, around(format, line), Options{Format: format, Mode: Contributors})
			lines, masked = append(lines, line), append(masked, out[head:len(out)-len(tail(format))])
		}
		var in, want strings.Builder
		for in.Len() < 3*pieceSize {
			in.WriteString(strings.Join(lines, ""))
			want.WriteString(strings.Join(masked, ""))
		}
		whole := around(format, in.String())
		for name, r := range map[string]io.Reader{"at once": strings.NewReader(whole), "in halves": iotest.HalfReader(strings.NewReader(whole))} {
			var out bytes.Buffer
			if err := Run(&out, r, Options{Masker: testMasker, Format: format, Mode: Contributors}); err != nil || out.String() != around(format, want.String()) {
				t.Errorf("%s, %s: %v, %d bytes, want %d", format, name, err, out.Len(), len(around(format, want.String())))
			}
		}
	}
}

func tail(format Format) string {
	return map[Format]string{XML: xmlEnd, SQL: "-- Dump completed\n"}[format]
}

func TestBadInput(t *testing.T) {
	broken := errors.New("the disk is gone")
	for name, c := range map[string]struct {
		in   io.Reader
		want string
	}{
		"truncated XML":       {strings.NewReader(xmlHead + "<page>"), ErrTruncated.Error()},
		"XML cut in a tag":    {strings.NewReader(xmlHead + "<page"), ErrTruncated.Error()},
		"other XML":           {strings.NewReader("<?xml version='1.0'?><html></html>"), "no dump of MediaWiki"},
		"Latin 1":             {strings.NewReader(xmlHead + "<title>B\xe9</title>" + xmlEnd), ErrEncoding.Error()},
		"declared Latin 1":    {strings.NewReader(`<?xml version="1.0" encoding="ISO-8859-1"?>` + xmlHead + xmlEnd), ErrEncoding.Error()},
		"UTF-16":              {strings.NewReader("\xff\xfe<\x00"), "can't be told"},
		"CDATA":               {strings.NewReader(xmlHead + "<text><![CDATA[1.2.3.4]]></text>" + xmlEnd), "CDATA"},
		"truncated SQL":       {strings.NewReader("-- x\nINSERT INTO `a` VALUES (1,'203.0.1"), ErrTruncated.Error()},
		"SQL without its end": {strings.NewReader("-- x\nINSERT INTO `a` VALUES (1,'x'),"), ErrTruncated.Error()},
		"PostgreSQL":          {strings.NewReader("-- x\nCOPY actor (a) FROM stdin;\n1.2.3.4\n\\.\n;\n"), "--inserts"},
		"unknown":             {strings.NewReader("lorem ipsum"), ErrFormat.Error()},
		"a bad disk":          {io.MultiReader(strings.NewReader(strings.Repeat("1\t2\n", 1<<16)), iotest.ErrReader(broken)), broken.Error()},
	} {
		err := Run(io.Discard, c.in, Options{Masker: testMasker})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func fuzz(f *testing.F, format Format) {
	for _, c := range cases[format] {
		f.Add([]byte(around(format, c[0]+"\n")), false)
		f.Add([]byte(around(format, c[0]+"\n")), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, everywhere bool) {
		o := Options{Masker: testMasker, Format: format, Mode: Contributors}
		if everywhere {
			o.Mode = Everywhere
		}
		var out, again bytes.Buffer
		if Run(&out, bytes.NewReader(in), o) != nil {
			return
		}
		if err := Run(&again, bytes.NewReader(out.Bytes()), o); err != nil {
			t.Fatalf("what was scrubbed is refused: %v: %q of %q", err, out.Bytes(), in)
		}
	})
}

func FuzzXML(f *testing.F)  { fuzz(f, XML) }
func FuzzSQL(f *testing.F)  { fuzz(f, SQL) }
func FuzzLog(f *testing.F)  { fuzz(f, Log) }
func FuzzJSON(f *testing.F) { fuzz(f, JSON) }
func FuzzTSV(f *testing.F)  { fuzz(f, TSV) }
