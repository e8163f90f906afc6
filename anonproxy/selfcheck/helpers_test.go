package selfcheck

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/wikiveil/wikiveil/noticeboard"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}

const agent = "Wikiveil/1 (+https://github.com/wikiveil/wikiveil; anonymizing proxy)"

// honest is a proxy in a few lines, which writes its requests byte by byte. The real
// one is tried in the package anonproxy. The fields are sent beside the constants.
func honest(origin, echo string, roots *x509.CertPool, more ...Field) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, host, _ := strings.Cut(origin, "://")
		conn, err := net.Dial("tcp", echo)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer conn.Close()
		protocol := HTTP1
		if scheme == "https" {
			secure := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: host, NextProtos: []string{HTTP2, HTTP1}})
			if err := secure.Handshake(); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			conn, protocol = secure, secure.ConnectionState().NegotiatedProtocol
		}
		body, _ := io.ReadAll(r.Body)
		fields := append([]Field{{"user-agent", agent}, {"accept", acceptOf(r)}, {"accept-encoding", "identity"}}, more...)
		if len(body) > 0 {
			fields = append(fields, Field{"content-type", r.Header.Get("Content-Type")}, Field{"content-length", strconv.Itoa(len(body))})
		}
		if protocol == HTTP2 {
			pseudo := []Field{{":authority", host}, {":method", r.Method}, {":path", Path}, {":scheme", scheme}}
			writeFrames(conn, append(pseudo, fields...), body)
		} else {
			text := r.Method + " " + Path + " HTTP/1.1\r\n"
			for _, f := range append([]Field{{"Host", host}}, fields...) {
				text += f.Name + ": " + f.Value + "\r\n"
			}
			_, _ = io.WriteString(conn, text+"\r\n"+string(body))
		}
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if protocol == HTTP1 {
			_, _ = http.ReadResponse(bufio.NewReader(conn), nil)
			return
		}
		for framer := http2.NewFramer(io.Discard, conn); ; {
			frame, err := framer.ReadFrame()
			if err != nil {
				http.Error(w, fmt.Sprint("no answer: ", err), http.StatusBadGateway)
				return
			}
			if frame.Header().Type != http2.FrameSettings && frame.Header().Flags.Has(http2.FlagDataEndStream) {
				return
			}
		}
	})
}

// acceptOf is the constant for what the reader's browser asks for.
func acceptOf(r *http.Request) string {
	if r.Header.Get("Accept") == eventStream {
		return eventStream
	}
	for kind, use := range uses {
		if r.Header.Get("Sec-Fetch-Dest") == use.dest {
			return accepts[kind]
		}
	}
	return accepts[""]
}

func writeFrames(conn io.Writer, fields []Field, body []byte) {
	var out, block bytes.Buffer
	out.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&out, nil)
	_ = framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	_ = framer.WriteWindowUpdate(0, 1<<20)
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		_ = encoder.WriteField(hpack.HeaderField{Name: strings.ToLower(f.Name), Value: f.Value})
	}
	// In two frames, which is as good as in one.
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes()[:7], EndStream: len(body) == 0})
	_ = framer.WriteContinuation(1, true, block.Bytes()[7:])
	if len(body) > 0 {
		_ = framer.WriteData(1, true, body)
	}
	_, _ = conn.Write(out.Bytes())
}

// declared is a board's tool.
func declared(t testing.TB, tool noticeboard.Tool) *noticeboard.Tool {
	t.Helper()
	tool.Name, tool.Revision = "maps", 7
	tool.AllowLoopback = strings.Contains(tool.Origin, "//127.")
	board, err := noticeboard.New([]*noticeboard.Tool{&tool})
	if err != nil {
		t.Fatal(err)
	}
	own, _ := board.Lookup("maps")
	return own
}

// mustRun runs a canary whose proxy sends the fields beside the constants.
func mustRun(t testing.TB, tool *noticeboard.Tool, more func(*Reader) []Field) *Result {
	t.Helper()
	result, err := Run(t.Context(), Config{Tool: tool, Prefix: "/.tools/",
		Proxy: func(echo string, roots *x509.CertPool, who *Reader) (http.Handler, func(), error) {
			var fields []Field
			if more != nil {
				fields = more(who)
			}
			return honest(tool.Origin, echo, roots, fields...), func() {}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

var moment = time.Date(2026, 11, 22, 21, 0, 0, 0, time.UTC)

func transcriptOf(tool *noticeboard.Tool, result *Result) *Transcript {
	t := &Transcript{
		Site: "wiki", Prefix: "/.tools/", Tool: tool.Public(),
		Sequence: 2, Previous: digest([]byte("one")), Time: moment, Every: 3600, Edge: Edge{"edge1", "v1", "go1.26"},
		Result: *result,
	}
	return t
}

// full is a transcript with all that one can have.
func full(t testing.TB) *Transcript {
	t.Helper()
	tool := declared(t, noticeboard.Tool{Origin: "https://maps.example.org", Kinds: noticeboard.Kinds(), Methods: []string{"GET", "HEAD", "POST"},
		Streams: []noticeboard.Stream{noticeboard.Events}, Pseudonym: true})
	return transcriptOf(tool, mustRun(t, tool, func(who *Reader) []Field {
		return []Field{{PseudonymHeader, who.Conceal(digest([]byte(who.Client))[:20])}}
	}))
}

// keys makes a pair whose name is the transcripts'.
func keys(t testing.TB) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "wiki")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

func mustSign(t testing.TB, transcript *Transcript, key note.Signer) []byte {
	t.Helper()
	data, err := transcript.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
