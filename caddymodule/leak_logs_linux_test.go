package caddymodule

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// faultyApp fails in the way that the path says.
func faultyApp(t *testing.T) *edgetest.Backend {
	return edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		switch r.URL.Path {
		case "/cut":
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
		case "/garbage":
			io.WriteString(conn, "\x00\xff\xfe no HTTP\r\n\r\n")
		case "/slow":
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
			io.Copy(conn, zeros{}) // until the client is gone
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// All that goes wrong is logged, from handshakes to panics, and no log tells whose it was.
func TestLeakInLogs(t *testing.T) {
	const client = "127.61.2.3"
	stderr := edgetest.CaptureStderr(t)
	faulty := faultyApp(t)
	tlsSite := edgetest.FreePort(t)
	e := edgetest.New(t, `{
		{GLOBAL}
		auto_https disable_redirects
		skip_install_trust
		metrics {
			per_host
		}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	(site) {
		log {
			output file {DIR}/access.log
			format masked console
		}
		log appended {
			output file {DIR}/appended.log
			format masked json
		}
		client_mask
		request_body {
			max_size 10
		}
		log_append about "{remote} {client_ip} {http.request.header.X-Real-Ip} {vars.wikiveil}"
		handle /panic {
			leak_panic
		}
		handle /down {
			reverse_proxy 127.0.0.1:1
		}
		handle /denied {
			error "refused to {remote} aka {client_ip}" 403
		}
		handle /echo {
			respond "you are {remote}"
		}
		reverse_proxy `+faulty.Address()+`
	}
	http://:{PORT} {
		import site
	}
	https://`+leakHost+":"+tlsSite[strings.LastIndexByte(tlsSite, ':')+1:]+` {
		tls internal {
			on_demand
		}
		import site
	}`)
	roots := rootOf(t, e, tlsSite)

	t.Run("TLS", func(t *testing.T) { failHandshakes(t, client, tlsSite) })
	for _, path := range []string{"/panic", "/down", "/denied", "/cut", "/garbage"} {
		for _, protocol := range []string{"h1", "h2", "h3"} {
			if path == "/panic" || path == "/cut" {
				expectNoAnswer(t, overTLS(t, protocol, client, tlsSite, roots), "https://"+leakHost+path)
				continue
			}
			edgetest.Send(t, overTLS(t, protocol, client, tlsSite, roots), "GET", "https://"+leakHost+path, http.Header{"X-Real-Ip": {client}})
		}
	}
	for _, request := range []string{
		"GET /echo?from=" + client + " HTTP/1.1\r\nHost: {site}\r\n\r\n",
		"GET /echo/%3A%3Affff%3A7f3d%3A203/%08" + client + " HTTP/1.1\r\nHost: {site}\r\n\r\n",
		"GET /echo HTTP/1.1\r\nHost: " + client + ".nip.example\r\n\r\n",
		"GET /echo HTTP/1.1\r\nHost: {site}\r\nReferer: http://" + client + ".nip.example/\r\nX-\x01: x\r\n\r\n",
		"GET /echo HTTP/1.1\r\nHost: {site}\r\nUser-Agent: \xff" + client + "\r\nX-Visitor: \xfe::ffff:" + client + "\r\n\r\n",
		client + " /echo HTTP/1.1\r\nHost: {site}\r\n\r\n",
		strings.Repeat("M", 40) + " /echo HTTP/1.1\r\nHost: {site}\r\n\r\n",
		"POST /slow HTTP/1.1\r\nHost: {site}\r\nContent-Length: 1000\r\n\r\n" + strings.Repeat("x", 1000),
	} {
		sendBytes(t, client, e.Site, strings.ReplaceAll(request, "{site}", e.Site))
	}
	t.Run("aborts", func(t *testing.T) { abort(t, client, e.Site) })
	resp, _ := edgetest.Send(t, edgetest.From(t, client), "GET", "http://"+e.Admin+"/no/such/path/"+client, nil)
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("the admin API: %s", resp.Status)
	}

	for what, line := range map[string]string{
		"failed handshakes": "http: TLS handshake error from", "a panic": "http: panic serving", "a panic over h2": "http2: panic serving",
		"a dead upstream": "connection refused", "a cut response": "aborting with incomplete response", "a refusal": "refused to ",
		"a request to the admin API": "/no/such/path/", "a request of a long method": "rejecting request with long method",
	} {
		testutil.Eventually(t, what+" in the log", func() bool { return strings.Contains(e.ReadLog(t), line) })
	}
	testutil.Eventually(t, "a panic over h3", func() bool {
		return bytes.Contains(stderr(), []byte("http3: panic serving")) || strings.Contains(e.ReadLog(t), "http3: panic serving")
	})
	edgetest.WantNone(t, "standard error", stderr(), leakAddrs()...)
	e.SearchTraces(t, leakAddrs()...)
}

// abort leaves in the middle of a response, with a reset.
func abort(t *testing.T, source, addr string) {
	conn := dialFrom(t, source, addr)
	fmt.Fprintf(conn, "GET /slow HTTP/1.1\r\nHost: %s\r\n\r\n", addr)
	if _, err := io.ReadFull(conn, make([]byte, 1<<20)); err != nil {
		t.Error(err)
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

func expectNoAnswer(t *testing.T, client *http.Client, url string) {
	t.Helper()
	resp, err := client.Get(url)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Errorf("%s: answered in full", url)
	}
	if os.IsTimeout(err) { // under load it may not have got there, and then nothing is logged
		t.Fatalf("%s: %v", url, err)
	}
}
