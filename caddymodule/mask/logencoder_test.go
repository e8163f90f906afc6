package mask

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/masking/masklog"
)

func TestAccessAndErrorLogsAreMasked(t *testing.T) {
	const client = "127.61.2.3"
	mask := edgetest.ClientMask(t, client)
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		log {
			output file {DIR}/access.log
			format masked json
		}
		client_mask
		respond /up ok
		reverse_proxy 127.0.0.1:1
	}`)
	header := http.Header{
		"X-Forwarded-For": {"198.51.100.7, unknown"}, "X-Real-Ip": {"3405803781"}, "X-Note": {client},
		"Forwarded": {"for=_secret"}, "User-Agent": {"Mozilla/5.0 Chrome/156.0.0.0 Safari/537.36"},
	}
	edgetest.Send(t, edgetest.From(t, client), "GET", "http://"+e.Site+"/up?ip="+client, header)
	edgetest.Send(t, edgetest.From(t, client), "GET", "http://"+e.Site+"/down", header)
	access := func() string {
		data, err := os.ReadFile(filepath.Join(e.Dir, "access.log"))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	testutil.Eventually(t, "two lines", func() bool { return strings.Count(access(), "\n") == 2 })
	testutil.Eventually(t, "the error", func() bool { return strings.Contains(e.ReadLog(t), `"logger":"http.log.error`) })
	for name, log := range map[string]string{"access": access(), "error": e.ReadLog(t)} {
		for _, leak := range []string{client, "198.51.100.7", "3405803781", "_secret", "unknown"} {
			if strings.Contains(log, leak) {
				t.Errorf("the %s log holds %q:\n%s", name, leak, log)
			}
		}
		if !strings.Contains(log, mask) {
			t.Errorf("the %s log lacks the mask", name)
		}
	}
	var line struct {
		Request struct {
			RemoteIP   string `json:"remote_ip"`
			RemotePort string `json:"remote_port"`
			ClientIP   string `json:"client_ip"`
			Headers    map[string][]string
		}
	}
	if err := json.Unmarshal([]byte(strings.SplitN(access(), "\n", 2)[0]), &line); err != nil {
		t.Fatal(err)
	}
	if r := line.Request; r.RemoteIP != mask || r.ClientIP != mask || r.RemotePort != "0" {
		t.Errorf("got %+v, want the mask %s and port 0", r, mask)
	}
	if got := line.Request.Headers["User-Agent"]; len(got) != 1 || got[0] != header.Get("User-Agent") {
		t.Errorf("the User-Agent changed: %q", got)
	}
}

func TestHandshakeErrorsAreMasked(t *testing.T) {
	const client = "127.61.2.3"
	e := edgetest.New(t, `{
		{GLOBAL}
		skip_install_trust
	}
	https://localhost:{PORT} {
		# At the first handshake: Caddy 2.11.9 has a data race where certificates are obtained as the config starts.
		tls internal {
			on_demand
		}
		client_mask
		respond ok
	}`)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
	conn, err := dialer.Dial("tcp", e.Site)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	bufio.NewReader(conn).ReadString('\n')
	conn.Close()
	if bad, err := tls.DialWithDialer(dialer, "tcp", e.Site, &tls.Config{ServerName: "other.test"}); err == nil {
		bad.Close()
		t.Error("shook hands for a name that has no certificate")
	}
	testutil.Eventually(t, "the handshake error", func() bool { return strings.Contains(e.ReadLog(t), "TLS handshake error") })
	if log := e.ReadLog(t); strings.Contains(log, client) {
		t.Errorf("the log holds the address:\n%s", log)
	}
}

func TestLogOfASiteHasItsMasks(t *testing.T) {
	const client = "127.61.2.3"
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		log {
			output file {DIR}/access.log
			format masked console {
				site family
				time_format iso8601
			}
		}
		client_mask {
			site family
		}
		respond ok
	}`)
	edgetest.Send(t, edgetest.From(t, client), "GET", "http://"+e.Site+"/", nil)
	want, err := edgetest.Masker(t, "family").Client(netip.MustParseAddr(client))
	if err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "a line", func() bool {
		data, _ := os.ReadFile(filepath.Join(e.Dir, "access.log"))
		return strings.Contains(string(data), want.String()) && !strings.Contains(string(data), client)
	})
}

// newMaskedEncoder returns an encoder as a config without anything else has it.
func newMaskedEncoder(t testing.TB) *MaskedEncoder {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	e := new(MaskedEncoder)
	if err := e.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	return e
}

// Logs open before apps are provisioned: till there is a key ring, addresses are left out.
func TestEncoderWithoutAKeyRing(t *testing.T) {
	was := logMasks.Swap(nil)
	defer logMasks.Store(was)
	clone := newMaskedEncoder(t).Clone()
	clone.AddString("remote_port", "4711")
	line, err := clone.EncodeEntry(zapcore.Entry{Message: "from 192.0.2.1:80"}, []zapcore.Field{
		zap.String("client_ip", "2001:db8::1"), zap.Error(fmt.Errorf("dial 192.0.2.2")), zap.Any("any", map[string]string{"x": "192.0.2.3"}),
		zap.Reflect("addr", netip.MustParseAddr("192.0.2.4")), zap.ByteString("b", []byte("192.0.2.5")), zap.Strings("s", []string{"192.0.2.6"}),
		zap.String("remote_port", "4712"), zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: httptest.NewRequest("GET", "/", nil)}),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"192.0.2", "2001:db8", "4711", "4712", ":80\""} {
		if strings.Contains(line.String(), leak) {
			t.Errorf("%q in %s", leak, line)
		}
	}
	if strings.Count(line.String(), masklog.Masked) != 8 {
		t.Errorf("got %s", line)
	}
}

// BenchmarkMaskedEncoder is what a request costs by its line in the access log, as Caddy writes it, and by what reverse_proxy gives
// a logger which then writes nothing; masked and not.
func BenchmarkMaskedEncoder(b *testing.B) {
	request := httptest.NewRequest("GET", "/w/index.php?title=Main_Page&action=history&oldid=1234567", nil)
	request.Header = http.Header{
		"User-Agent":      {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"},
		"Accept":          {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
		"Accept-Language": {"en-GB,en;q=0.9"}, "Accept-Encoding": {"gzip, deflate, br, zstd"}, "Cookie": {"a=b"},
		"Referer": {"https://wiki.example.org/w/index.php?title=Main_Page"}, "Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"},
		"Sec-Fetch-Site": {"same-origin"}, "Upgrade-Insecure-Requests": {"1"},
	}
	answer := http.Header{
		"Content-Type": {"text/html; charset=UTF-8"}, "Content-Length": {"10240"}, "Vary": {"Accept-Encoding, Cookie"}, "Cache-Control": {"private, must-revalidate, max-age=0"},
		"Etag": {`"5f3a1b2c-43"`}, "Date": {"Mon, 30 Nov 2026 09:40:39 GMT"}, "Last-Modified": {"Sat, 29 Nov 2025 10:11:12 GMT"}, "X-Request-Id": {""},
		"Content-Security-Policy": {"default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; script-src-attr 'none'; style-src 'self' 'unsafe-inline'; " +
			"img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; media-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'self'"},
	}
	given := []zapcore.Field{zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: request})}
	sent := []zapcore.Field{zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: request.WithContext(sentOn(request.Context()))})}
	fields := []zapcore.Field{
		zap.Int("bytes_read", 0), zap.String("user_id", ""), zap.Duration("duration", 3*time.Millisecond), zap.Int("size", 10240), zap.Int("status", 200),
		zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{Header: answer}),
	}
	raw := new(logging.JSONEncoder)
	if err := raw.Provision(caddy.Context{}); err != nil {
		b.Fatal(err)
	}
	for name, e := range map[string]zapcore.Encoder{"masked": newMaskedEncoder(b), "json": raw} {
		core := zapcore.NewCore(e, zapcore.AddSync(io.Discard), zapcore.InfoLevel)
		b.Run("entry/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ { // of which much has not been seen before
				request.RequestURI = "/w/index.php?title=Main_Page&action=history&oldid=" + strconv.Itoa(i)
				answer["X-Request-Id"][0] = strconv.Itoa(i) + "-dn8g2wujtdga"
				if err := core.With(given).Write(zapcore.Entry{Message: "handled request", Time: time.Unix(1_796_031_639, 0)}, fields); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("given/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				core.With(sent)
			}
		})
	}
}

// A config that fails half-way leaves the running one as it was.
func TestFailedReloadChangesNothing(t *testing.T) {
	wiki := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("Client-Mask")) })
	e := edgetest.New(t, edgetest.PlainSite+wiki.Address()+"\n}")
	_, before := edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+e.Site+"/", nil)
	logs := logMasks.Load()
	for _, bad := range []string{
		// Fails after the app is provisioned: the second listener can't be had.
		edgetest.PlainSite + wiki.Address() + "\n}\nhttp://:1 {\nbind 127.0.0.1 192.0.2.1\n}",
		// Fails while it is.
		strings.Replace(edgetest.PlainSite, "{GLOBAL}", "{GLOBAL}\nwikiveil {\nsecret {env.WIKIVEIL_TEST_UNSET}\n}", 1) + wiki.Address() + "\n}",
	} {
		if err := caddy.Load(edgetest.Adapt(t, e.Expand(bad)), true); err == nil {
			t.Fatal("loaded")
		}
		if resp, after := edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+e.Site+"/", nil); resp.StatusCode != 200 || after != before {
			t.Errorf("after a failed reload: %d, mask %q, want %q", resp.StatusCode, after, before)
		}
		if logMasks.Load() != logs {
			t.Error("logs have the masks of the config that failed")
		}
	}
	e.Rotate(t)
}
