package caddymodule

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// spelledLogs are an edge that logs all it can, behind TLS, a balancer with the PROXY protocol, and neither.
const spelledLogs = `{
	{GLOBAL}
	auto_https disable_redirects
	skip_install_trust
	servers {
		trusted_proxies static ` + leakRange + `
		trusted_proxies_strict
	}
	servers :{PROXYPORT} {
		listener_wrappers {
			proxy_protocol {
				allow ` + leakRange + `
			}
		}
	}
	wikiveil {
		secret ` + edgetest.Secret + `
	}
}
(site) {
	log {
		output file {DIR}/access.log
		format masked json
	}
	log_append query {http.request.uri.query}
	log_append guess {http.request.header.X-Spelled-0}
	client_mask
	handle /down/* {
		reverse_proxy 127.0.0.1:1
	}
	handle /denied/* {
		error "refused {http.request.uri} by {http.request.header.User-Agent} of {client_ip}" 403
	}
	reverse_proxy {APP}
}
http://:{PORT}, http://:{PROXYPORT} {
	import site
}
https://` + leakHost + `:{TLSPORT}, https://:{TLSPORT} {
	tls internal {
		on_demand
	}
	import site
}`

const ordinaryAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"

// Case 1. No spelling of a client's address is in a log, wherever in a request it stands, over any protocol, also
// where a log doesn't know whose the connection was; and what is ordinary stays.
func TestCase1LeakSpellingsInLogs(t *testing.T) {
	echo := newLeakApp(t, wireH1, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			echoWebSocket(w, r)
		}
	})
	port := func(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
	tlsSite, proxySite := edgetest.FreePort(t), edgetest.FreePort(t)
	e := edgetest.New(t, strings.NewReplacer("{TLSPORT}", port(tlsSite), "{PROXYPORT}", port(proxySite), "{APP}", echo.Address()).Replace(spelledLogs))
	roots := rootOf(t, e, tlsSite)
	clients := leakClients()[:3]
	for _, c := range clients {
		spelled := leakSpellings(c.addr)
		header := leakForm{head: "User-Agent: " + ordinaryAgent + "\n{spelled}"}.header(c)
		header.Set("Cookie", "a="+spelled[0])
		for _, protocol := range []string{"h1", "h2", "h3"} {
			client := overTLS(t, protocol, c.source, tlsSite, roots)
			for _, path := range []string{"/down/", "/denied/", "/app/"} {
				edgetest.Send(t, client, "GET", "https://"+leakHost+path+"?title=Main_Page&oldid=1234567", header)
			}
		}
		for _, s := range spelled {
			for _, request := range spelledRequests(c, s) {
				sendBytes(t, c.source, e.Site, request)
			}
			if name := s + ".example"; s == strings.ToLower(s) && !strings.ContainsAny(s, ` "\/[]=:%&;#`) {
				conn := dialFrom(t, c.source, tlsSite)
				tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake() // fails or not, it's logged
				conn.Close()
			}
			if c.via != "" && !strings.ContainsAny(s, " \"") {
				sendBytes(t, leakProxy, proxySite, proxyHeader(t, 2, c.addr.String())+"GET /down/"+s+" HTTP/1.1\r\nHost: x\r\nX-Guess: "+s+"\r\nConnection: close\r\n\r\n")
			}
		}
		websocket := leakForm{head: "{spelled}"}.request(c, e.Site, "/ws/?title=Main_Page",
			"Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n")
		sendBytesAndLeave(t, c.source, e.Site, websocket)
	}

	for what, line := range map[string]string{
		"an upstream's answer": "upstream roundtrip", "a dead upstream": "connect: connection refused", "a refusal": "refused ", "a handshake": "TLS handshake error",
		"h2": `"proto":"HTTP/2.0"`, "h3": `"proto":"HTTP/3.0"`,
	} {
		testutil.Eventually(t, what+" in the log", func() bool { return strings.Contains(e.ReadLog(t), line) })
	}
	for _, line := range edgetest.LogLines(t, filepath.Join(e.Dir, "access.log"), 27) {
		if strings.Contains(line, "oldid") && (!strings.Contains(line, "?title=Main_Page&oldid=1234567") || !strings.Contains(line, ordinaryAgent)) {
			t.Errorf("what is ordinary isn't in %s", line)
		}
	}
	for name, data := range e.Traces(t) {
		if strings.HasPrefix(name, "/storage") {
			continue // keys and certificates
		}
		for _, c := range clients {
			wantNoSpelling(t, name, data, c.addr)
		}
		edgetest.WantNone(t, name, data, leakAddrs()...)
	}
	for _, c := range clients {
		if log := string(e.Traces(t)["/access.log"]); strings.Count(log, `"client_ip":"`+edgetest.ClientMask(t, c.addr.String())+`"`) < 9 {
			t.Errorf("the mask of %s isn't in the log", c.addr)
		}
	}
}

// spelledRequests have a spelling in each place of a request that isn't a header's value.
func spelledRequests(c leakClient, spelled string) []string {
	end := " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + strings.ReplaceAll(c.forwarded(), "\n", "\r\n")
	var requests []string
	if !strings.ContainsAny(spelled, ` "`) {
		requests = append(requests, "GET /down/"+spelled+end+"\r\n", "GET /app/?a="+spelled+"&b"+end+"\r\n")
	}
	if spelled == strings.ToLower(spelled) && !strings.ContainsAny(spelled, " \"[]{}\\/=:;,&#%@") { // names lose their case, and base64 its sense
		requests = append(requests, "GET /app/"+end+spelled+": 1\r\nX-"+spelled+": 1\r\n\r\n", spelled+" /app/"+end+"\r\n",
			"GET /app/ HTTP/1.1\r\nHost: "+spelled+"\r\nConnection: close\r\n"+strings.ReplaceAll(c.forwarded(), "\n", "\r\n")+"\r\n")
	}
	return append(requests, "GET /denied/"+end+"User-Agent: Bot ("+spelled+")\r\nReferer: https://wiki.example/?"+spelled+"\r\nOrigin: https://"+spelled+".example\r\n\r\n",
		"POST /app/"+end+"Transfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n2\r\nok\r\n0\r\nX-End: "+spelled+"\r\n\r\n")
}

// sendBytesAndLeave sends a request and goes once it's answered.
func sendBytesAndLeave(t *testing.T, source, addr, request string) {
	t.Helper()
	conn := dialFrom(t, source, addr)
	defer conn.Close()
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 64)); err != nil {
		t.Error(err)
	}
}
