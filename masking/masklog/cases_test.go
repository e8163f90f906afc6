package masklog

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	client = "127.11.22.33"
	other  = "203.0.113.9"
)

func request(header map[string][]string) zapcore.Field {
	return zap.Object("request", logged{peer: client, client: client, uri: "/", header: header})
}

// Case 9: the mask stands only where the server names the peer and the client.
func TestCase9OnlyTheClientsFieldsShowAMask(t *testing.T) {
	var all []string
	for i := range 256 {
		all = append(all, fmt.Sprintf("127.7.0.%d", i))
	}
	list := strings.Join(all, ",")
	line := encode(t, newTestEncoder(true), "from "+other, request(map[string][]string{
		"X-Note": {list, client, "for " + other + ":4711"}, "X-Forwarded-For": {list, "unknown", "_secret"}, other: {client},
	}), zap.String("remote_ip", other), zap.String("client_ip", client), zap.Error(errors.New("read tcp 10.1.1.1:443->"+other+":51000: reset")))
	if got := strings.Count(line, testMask); got != 2 {
		t.Errorf("%d masks, want the peer's and the client's:\n%s", got, line)
	}
	for _, leak := range []string{"127.7.0.", "203.0.113", "127.11", "unknown", "_secret", "51000", "51234", "10.1.1.1"} {
		if strings.Contains(line, leak) {
			t.Errorf("%q in %s", leak, line)
		}
	}
}

// Case 9: what stands for a guessed address is the same whether or not it's the client's.
func TestCase9AGuessLooksTheSameForEveryClient(t *testing.T) {
	guess := func(from string) string {
		line := encode(t, newTestEncoder(true), "m", zap.Object("request", logged{peer: from, client: from, header: map[string][]string{
			"X-Guess": {client + " " + client + ":80 [::ffff:" + client + "]:80 " + "2001:db8::7"},
		}}))
		return line[strings.Index(line, "headers"):]
	}
	if mine, others := guess(client), guess(other); mine != others {
		t.Errorf("the client's own:\n%s\nanother's:\n%s", mine, others)
	}
}

// Case 9: a request that was scrubbed has the client's mask where its address was; the log doesn't show which of the guesses that is.
func TestCase9ScrubbedHeadersAreNoOracle(t *testing.T) {
	line := encode(t, newTestEncoder(true), "for "+testMask, request(map[string][]string{
		"X-Guess": {"203.0.113.8 " + testMask + " [" + testMask + "]:0 203.0.113.9"}, "Client-Mask": {testMask}, "Referer": {"https://wiki.example/2001:2f::9"},
	}), zap.String("err", testMask))
	if strings.Count(line, testMask) != 3 || !strings.Contains(line, `"masked masked masked masked"`) || !strings.Contains(line, "2001:2f::9") {
		t.Errorf("got %s", line)
	}
}

// Fields of every kind, and what a logger was given before, are masked, for a wrapped encoder that
// isn't known to be plain too.
func TestEveryKindOfField(t *testing.T) {
	fields := []zapcore.Field{
		zap.String("string", other), zap.Strings("strings", []string{other}), zap.ByteString("bytes", []byte(other)), zap.Binary("binary", []byte(other)),
		zap.ByteStrings("bytestrings", [][]byte{[]byte(other)}), zap.Stringer("stringer", netip.MustParseAddr(other)), zap.Error(errors.New(other)),
		zap.Errors("errors", []error{errors.New(other)}), zap.Reflect("reflect", netip.MustParseAddr(other)), zap.Any("any", map[string]any{other: []string{other}}),
		zap.Any("addr", struct{ A net.Addr }{&net.TCPAddr{IP: net.ParseIP(other), Port: 51234}}), zap.Inline(logged{uri: other}), zap.Dict("dict", zap.String("x", other)),
		zap.Objects("objects", []logged{{uri: other}}), zap.NamedError("joined", errors.Join(errors.New(other), errors.New(other))),
		zap.Any("header", map[string][]string{"X-Forwarded-For": {"secret"}}),
	}
	for _, plain := range []bool{true, false} {
		e := newTestEncoder(plain)
		before := e.Clone()
		for _, f := range fields {
			f.AddTo(before)
		}
		for name, line := range map[string]string{"fields": encode(t, e, "m", fields...), "before": encode(t, before, "m")} {
			for _, leak := range []string{"203.0.113", "51234", "MjAzLjAuMTEz", "secret"} {
				if strings.Contains(line, leak) {
					t.Errorf("plain %v, %s: %q in %s", plain, name, leak, line)
				}
			}
			if !json.Valid([]byte(line)) {
				t.Errorf("plain %v, %s: not JSON: %s", plain, name, line)
			}
		}
	}
}

// The fields belong to other logs too.
func TestFieldsAreNotChanged(t *testing.T) {
	fields := []zapcore.Field{zap.String("a", other), request(nil), zap.Error(errors.New(other))}
	before := append([]zapcore.Field(nil), fields...)
	encode(t, newTestEncoder(true), "m", fields...)
	for i := range fields {
		if !fields[i].Equals(before[i]) {
			t.Errorf("%v became %v", before[i], fields[i])
		}
	}
}

// writer is an encoder that writes something of its own.
type writer struct{ zapcore.Encoder }

func (w writer) Clone() zapcore.Encoder { return writer{w.Encoder.Clone()} }

func (w writer) AddObject(string, zapcore.ObjectMarshaler) error {
	w.Encoder.AddString("own", other+" "+client+" 127.0.0.1:8081")
	return nil
}

// Case 11: what a wrapped encoder writes by itself is masked in the finished line.
func TestCase11TheFinishedLineIsMasked(t *testing.T) {
	e := New(writer{zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg"})}, false, testRules()).Clone()
	if err := e.AddObject("request", logged{peer: client, client: client}); err != nil {
		t.Fatal(err)
	}
	line := encode(t, e, "m", zap.Strings("User-Agent", []string{"YaBrowser/24.1.0.0"}))
	if want := `"own":"masked masked 127.0.0.1:8081"`; !strings.Contains(line, want) || !strings.Contains(line, "YaBrowser/24.1.0.0") {
		t.Errorf("got %s, want %s", line, want)
	}
}

// Case 12: versions after a product's name stay, addresses go.
func TestCase12Versions(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/156.0.0.0 YaBrowser/24.1.0.0 Safari/537.36": "",
		"Mozilla/5.0 Whale/3.24.223.18 Safari/537.36":                                            "",
		"pywikibot/9.1.3.2": "",
		"Toolforge (bot/1.2.3.4; x) Foo/1.0.0.0,Bar/1.0.0.1":   "",
		`"Chromium";v="156.0.0.0", "Not-A.Brand";v="99.0.0.0"`: "",
		`"156.0.0.0"`:                               "",
		"X/" + client:                               "X/masked",
		"Bot/" + client + " Chrome/156.0.0.0":       "Bot/masked Chrome/156.0.0.0",
		"Bot (+http://" + other + "/x)":             "Bot (+http://masked/x)",
		"Bot " + other + " 10.0.0.0":                "Bot masked masked",
		"Bot/1.0; " + other:                         "Bot/1.0; masked",
		"/" + other + " 1/" + other + " x:/1.2.3.4": "/masked 1/masked x:/masked",
		"a/" + other + ":80 a/" + other + "/b":      "a/masked a/masked/b",
		"a/::ffff:" + client:                        "a/masked",
	} {
		if want == "" {
			want = agent
		}
		line := encode(t, newTestEncoder(true), "m", request(map[string][]string{"User-Agent": {agent}}))
		text, _ := json.Marshal(want)
		if !strings.Contains(line, string(text)) {
			t.Errorf("%s gives %s, want %s", agent, line, text)
		}
	}
}

// Case 12: N.0.0.0 is an address like others outside of a user agent, even beside one.
func TestCase12AddressesThatEndInZeros(t *testing.T) {
	line := encode(t, newTestEncoder(true), "to 10.0.0.0", zap.String("a", "10.0.0.0/8 and Foo/24.1.0.0"),
		request(map[string][]string{"User-Agent": {"Foo/24.1.0.0"}, "X-Note": {"Foo/24.1.0.0"}}))
	if strings.Contains(line, "10.0.0.0") || strings.Count(line, "24.1.0.0") != 1 {
		t.Errorf("got %s", line)
	}
}

// Case 13: however many addresses a value lists, the line is at most twice as long as with letters.
func TestCase13Growth(t *testing.T) {
	const size = 15 << 10
	length := func(unit string) int {
		value := strings.Repeat(unit, size/len(unit))
		return len(encode(t, newTestEncoder(true), "m", request(map[string][]string{"X-Note": {value}, "User-Agent": {value}})))
	}
	letters := length("abcd")
	for _, unit := range []string{"1::,", "1::x", "::1 ", "[::1]:1 ", "1.1.1.1,", "::,", "1:", "1.", "a:b::", "%3a", "%3A%3A1", "\\u003a", "2001:2f::1 ", "127.0.0.1 ", "0x7f.1 "} {
		if got := length(unit); got > 2*letters {
			t.Errorf("%q: %d bytes, %d with letters", unit, got, letters)
		}
	}
	few := strings.Repeat("1::,", maxFound-2)
	line := encode(t, newTestEncoder(true), "m", request(map[string][]string{"X-Note": {few}}))
	if want := strings.Repeat(Masked+",", maxFound-2); !strings.Contains(line, want) {
		t.Errorf("a list of %d isn't shown whole: %s", maxFound-2, line)
	}
}

// Friction 2: the operator's own servers stay readable, with all their ports; a client's port doesn't.
func TestFriction2ServersStayReadable(t *testing.T) {
	message := "read tcp 127.0.0.1:443->" + other + ":51000: dial tcp [2001:db8::5]:6379, 127.0.0.1:8081: connection refused"
	want := "read tcp 127.0.0.1:443->masked: dial tcp [2001:db8::5]:6379, 127.0.0.1:8081: connection refused"
	for _, from := range []string{client, "127.0.0.1", "2001:db8::6"} {
		line := encode(t, newTestEncoder(true), message, zap.Object("request", logged{peer: from, client: from}))
		if !strings.Contains(line, want) {
			t.Errorf("from %s: %s", from, line)
		}
		if !strings.Contains(line, `"remote_ip":"`+testMask) || !strings.Contains(line, `"client_ip":"`+testMask) || strings.Contains(line, `_ip":"`+from) {
			t.Errorf("from %s, the client's fields don't have the mask: %s", from, line)
		}
	}
}

// The operator can read their own paths and the ids of epochs, in what clients send the same numbers are hidden.
func TestOwnPathsStayReadable(t *testing.T) {
	rules := testRules()
	rules.Paths = Paths(ConfigPaths(map[string]any{"root": "/srv/2131432993/keys/3405803785.json", "x": []any{"/srv/wiki"}})...)
	if len(rules.Paths) != 3 || rules.Paths[2] != "/srv/2131432993" {
		t.Errorf("paths %q", rules.Paths)
	}
	e := New(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg", SkipLineEnding: true}), true, rules)
	line := encode(t, e, "open /srv/2131432993/tools.json: no such file", zap.Error(errors.New(`"/srv/2131432993/keys/3405803785.json" is damaged`)),
		zap.String("epoch", "2a0012345678"), request(map[string][]string{"X-Note": {"/x/2131432993", "/srv/21314329935", "2a0012345678"}}))
	for _, want := range []string{"open /srv/2131432993/tools.json: no such file", "/srv/2131432993/keys/3405803785.json", `"epoch":"2a0012345678"`} {
		if !strings.Contains(line, want) {
			t.Errorf("%q isn't in %s", want, line)
		}
	}
	for _, leak := range []string{"/x/2131432993", `"2a0012345678"]`} {
		if strings.Contains(line, leak) {
			t.Errorf("%q is in %s", leak, line)
		}
	}
}

// A path of the operator's that looks like an address's beginning doesn't show the rest of one.
func TestOwnPathShowsNoAddressThatGoesOn(t *testing.T) {
	rules := testRules()
	rules.Paths = Paths("/x/203.0.113.1", "/x/2001:db8:1:2:3")
	if len(rules.Paths) != 2 {
		t.Fatalf("paths %q", rules.Paths)
	}
	e := New(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg", SkipLineEnding: true}), true, rules)
	for _, goesOn := range []string{"203.0.113.1%39", "203.0.113.1&#57;", "203.0.113.1９", `203.0.113.1\u0039`, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3::6"} {
		line := encode(t, e, "m", request(map[string][]string{"X-Note": {"/x/" + goesOn}}))
		if strings.Contains(line, "203.0.113") || strings.Contains(line, "2001:db8") {
			t.Errorf("%q: %s", goesOn, line)
		}
	}
	if line := encode(t, e, "open /x/203.0.113.1: no such file"); !strings.Contains(line, "/x/203.0.113.1: no") {
		t.Errorf("hidden: %s", line)
	}
}

// Whoever knows a path can't keep the log busy with a header full of it.
func TestOwnPathsAreFewInAnEntry(t *testing.T) {
	rules := testRules()
	rules.Paths = Paths("/srv/2131432993")
	e := New(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg", SkipLineEnding: true}), true, rules)
	line := encode(t, e, "m", request(map[string][]string{"X-Note": {strings.Repeat("/srv/2131432993 ", 1000)}}))
	if shown := strings.Count(line, "/srv/2131432993"); shown > maxFound {
		t.Errorf("%d of them are looked for one by one", shown)
	}
}

// Case 10: who asks about which mask isn't told.
func TestCase10PrivatePages(t *testing.T) {
	line := encode(t, newTestEncoder(true), "m", zap.Object("request", logged{
		peer: client, uri: "/secret?masks=M", private: true, header: map[string][]string{"Referer": {"/secret?masks=M"}},
	}), zap.String("user_id", "Alice"), zap.String("x", "/secret?masks=M"))
	if strings.Contains(line, "=M") || strings.Contains(line, "Alice") {
		t.Errorf("got %s", line)
	}
	if line = encode(t, newTestEncoder(true), "m", request(nil), zap.String("user_id", "Alice")); !strings.Contains(line, "Alice") {
		t.Errorf("elsewhere: %s", line)
	}
}

func TestServers(t *testing.T) {
	var config any
	if err := json.Unmarshal([]byte(`{
		"listen": ["10.0.0.1:443", "tcp/10.0.0.2:80", ":8443", "unix//run/x"], "upstreams": [{"dial": "10.0.0.3:8001-8003"}, {"dial": "localhost:80"}],
		"redis": "rediss://user:secret@10.0.0.4:6379/0", "cluster": "redis://10.0.0.5:1,10.0.0.6:2", "wiki": "http://[2001:db8::1]/w/api.php",
		"resolvers": ["10.0.0.7"], "storage": {"host": ["10.0.0.8"], "address": ["10.0.0.9:6379"]},
		"match": [{"host": ["10.0.0.10"], "remote_ip": {"ranges": ["198.51.100.1"]}, "expression": "{x} == 198.51.100.2:80", "not": [{"x": "198.51.100.3:80"}]}],
		"networks": [{"name": "tor", "ranges": ["198.51.100.4", "198.51.100.0/24"]}], "trusted_proxies": {"ranges": ["198.51.100.5"]},
		"handle": [{"match": "x", "body": "198.51.100.6:80", "value": "198.51.100.7", "list": ["2001:db8:1::1", "198.51.100.8/32"]}], "n": 1
	}`), &config); err != nil {
		t.Fatal(err)
	}
	got := make(map[netip.Addr]struct{})
	Servers(config, got)
	want := []string{"127.0.0.1", "::1", "2001:db8::1"}
	for i := 1; i <= 10; i++ {
		want = append(want, fmt.Sprintf("10.0.0.%d", i))
	}
	for _, text := range want {
		if _, ok := got[netip.MustParseAddr(text)]; !ok {
			t.Errorf("%s is missing", text)
		}
		delete(got, netip.MustParseAddr(text))
	}
	if len(got) > 0 {
		t.Errorf("too many: %v", got)
	}
}

// Case 9: what may be an address goes in any spelling, whoever asks and whether or not it's known who does; else
// it would show whose it is.
func TestCase9AnySpellingLooksTheSameForEveryClient(t *testing.T) {
	for _, guess := range []string{
		"2131432993", "7F0B1621:DA28_7F000001:5A32_652_0001:1", "7f0b1621", "127.011.022.033", "33-22-11-127.isp.example", "33.22.11.127.in-addr.arpa",
		"[127, 11, 22, 33]", "127%2E11%2E22%2E33", "127%252E11%252E22%252E33", `127\u002e11\u002e22\u002e33`, "127&#46;11&#46;22&#46;33", "fwsWIQ==",
		"MTI3LjExLjIyLjMz", "::ffff%253A7f0b%253A1621", "100%127.11.22.33", "017702613041", "%7f%0b%16%21",
		"1.2.6.1.b.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
	} {
		line := func(from string, more ...zapcore.Field) string {
			fields := append(more, zap.String("uri", "/?"+guess), zap.Strings("X-Guess", []string{guess}), zap.String("user_agent", "Bot ("+guess+")"))
			if from == "" {
				return encode(t, newTestEncoder(true), "TLS for "+guess, fields...)
			}
			encoded := encode(t, newTestEncoder(true), "TLS for "+guess, append(fields, zap.Object("request", logged{peer: from, client: from}))...)
			return strings.Split(encoded, `,"request"`)[0]
		}
		mine, others, nobodys := line(client), line(other), line("")
		if mine != others || mine != strings.TrimSuffix(nobodys, "}") {
			t.Errorf("%s:\n%s the client's own\n%s another's\n%s nobody's", guess, mine, others, nobodys)
		}
		for _, part := range []string{guess, "7f0b", "1621", "b.0.f.7", "22.33", "%0b", "2e22"} {
			if strings.Contains(strings.ToLower(mine), strings.ToLower(part)) {
				t.Errorf("%s: %q is left in %s", guess, part, mine)
			}
		}
	}
}
