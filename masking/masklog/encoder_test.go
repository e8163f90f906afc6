package masklog

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// logged is a request as a server logs it.
type logged struct {
	peer, client, uri string
	header            map[string][]string
	private           bool
}

func (l logged) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("remote_ip", l.peer)
	enc.AddString("remote_port", "51234")
	enc.AddString("client_ip", l.client)
	enc.AddString("uri", l.uri)
	return enc.AddObject("headers", headers(l.header))
}

type headers map[string][]string

func (h headers) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	for name, values := range h {
		if err := enc.AddArray(name, zapcore.ArrayMarshalerFunc(func(enc zapcore.ArrayEncoder) error {
			for _, v := range values {
				enc.AppendString(v)
			}
			return nil
		})); err != nil {
			return err
		}
	}
	return nil
}

const testMask = "2001:2f:1:2:3:4:5:6"

func testRules() *Rules {
	return &Rules{
		Mask:     func(netip.Addr) string { return testMask },
		Readable: map[netip.Addr]struct{}{netip.MustParseAddr("127.0.0.1"): {}, netip.MustParseAddr("2001:db8::5"): {}},
		Request: func(m zapcore.ObjectMarshaler) (Request, bool) {
			l, ok := m.(logged)
			if !ok {
				return Request{}, false
			}
			prefix := func(text string) netip.Prefix {
				addr, err := netip.ParseAddr(text)
				if err != nil {
					return netip.Prefix{}
				}
				bits := 64
				if addr.Is4() {
					bits = 32
				}
				return netip.PrefixFrom(addr, bits).Masked()
			}
			return Request{Peer: prefix(l.peer), Client: prefix(l.client), Private: l.private}, true
		},
		Keep: func(m zapcore.ObjectMarshaler) func() zapcore.ObjectMarshaler {
			l, ok := m.(logged)
			if !ok {
				return nil
			}
			l.header = maps.Clone(l.header)
			for name, values := range l.header {
				l.header[name] = slices.Clone(values)
			}
			return func() zapcore.ObjectMarshaler { return l }
		},
		Forwards: func(name string) bool { return name == "X-Forwarded-For" },
		Page: func(url string) (string, bool) {
			return "/secret", len(url) > 7 && url[:7] == "/secret"
		},
	}
}

func newTestEncoder(plain bool) *Encoder {
	return New(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg", SkipLineEnding: true}), plain, testRules())
}

func encode(t testing.TB, e zapcore.Encoder, message string, fields ...zapcore.Field) string {
	t.Helper()
	line, err := e.EncodeEntry(zapcore.Entry{Message: message}, fields)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Free()
	return line.String()
}

func benchmarkEntry(b *testing.B, fields ...zapcore.Field) {
	raw := zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg", SkipLineEnding: true})
	for name, e := range map[string]zapcore.Encoder{
		"masked": newTestEncoder(true), "raw": raw, "reference": newReference(raw, true, testRules()),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				line, err := e.EncodeEntry(zapcore.Entry{Message: "handled request"}, fields)
				if err != nil {
					b.Fatal(err)
				}
				line.Free()
			}
		})
	}
}

func BenchmarkEncoder(b *testing.B) {
	b.Run("access", func(b *testing.B) {
		benchmarkEntry(b, zap.Object("request", logged{
			peer: "192.0.2.1", client: "192.0.2.1", uri: "/w/index.php?title=Main_Page&action=history",
			header: map[string][]string{
				"User-Agent":      {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"},
				"Accept":          {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"},
				"Accept-Language": {"en-GB,en;q=0.9"}, "Accept-Encoding": {"gzip, deflate, br, zstd"},
				"Referer": {"https://wiki.example.org/w/index.php?title=Main_Page"}, "Sec-Fetch-Site": {"same-origin"},
				"Cookie": {"REDACTED"}, "X-Forwarded-For": {"192.0.2.1"},
			},
		}), zap.String("user_id", ""), zap.Int("status", 200), zap.Object("resp_headers", headers{
			"Content-Type": {"text/html; charset=UTF-8"}, "Server": {"Caddy"}, "Content-Security-Policy": {"default-src 'self'; img-src 'self' data:"},
		}))
	})
}

// finishedLine is one of an access log.
const finishedLine = `{"level":"info","ts":1796031639.7455387,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"2001:2f:1:2:3:4:5:6","remote_port":"0","client_ip":"2001:2f:1:2:3:4:5:6","proto":"HTTP/1.1","method":"GET","host":"wiki.example","uri":"/w/index.php?title=Page_126&action=history&oldid=2700126","headers":{"Accept":["text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"],"Sec-Fetch-Site":["same-origin"],"Accept-Language":["en-US,en;q=0.5"],"Referer":["https://wiki.example/wiki/Special:RecentChanges"],"Sec-Fetch-Dest":["document"],"Accept-Encoding":["gzip, deflate, br, zstd"],"Cookie":["REDACTED"],"User-Agent":["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"],"Sec-Fetch-Mode":["navigate"],"Upgrade-Insecure-Requests":["1"]}},"bytes_read":0,"user_id":"","duration":0.03054109,"size":10240,"status":200,"resp_headers":{"Last-Modified":["Sat, 29 Nov 2025 10:11:12 GMT"],"Date":["Mon, 30 Nov 2026 09:40:39 GMT"],"Content-Length":["10240"],"Content-Type":["text/html; charset=UTF-8"],"Etag":["\"5f3a1b-43\""],"Vary":["Accept-Encoding, Cookie"],"X-Request-Id":["dn8g2wujtdga"],"Content-Security-Policy":["default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; script-src-attr 'none'; style-src 'self' 'unsafe-inline'"],"Cache-Control":["private, must-revalidate, max-age=0"]}}`

// BenchmarkLine is the look through a finished line.
func BenchmarkLine(b *testing.B) {
	rules, versions := testRules(), []netip.Addr{netip.MustParseAddr("156.0.0.0")}
	for name, mask := range map[string]func(*buffer.Buffer) (*buffer.Buffer, error){
		"masked": func(line *buffer.Buffer) (*buffer.Buffer, error) {
			return (&entry{rules: rules, versions: versions}).maskLine(line)
		},
		"reference": func(line *buffer.Buffer) (*buffer.Buffer, error) {
			return (&refEntry{rules: rules, versions: versions}).maskLine(line)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(finishedLine)))
			line := buffer.NewPool().Get()
			line.AppendString(finishedLine)
			for b.Loop() {
				if _, err := mask(line); err != nil {
					b.Fatal(err)
				}
			}
			if line.String() != finishedLine {
				b.Error("changed")
			}
		})
	}
}
