package caddymodule

import (
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// A client's port singles it out among those that share an address: it is in no app's bytes and in no log.
func TestLeakOfPorts(t *testing.T) {
	c := leakClients()[0]
	e := newLeakEdge(t, leakConfig, "client_mask")
	for _, u := range e.upstreams {
		t.Run(u.name, func(t *testing.T) {
			conn, port := dialFromOddPort(t, c.source, e)
			defer conn.Close()
			if _, err := conn.Write([]byte(leakForm{head: "X-Visitor: {ip}:" + port}.request(c, e.Site, u.path, u.more))); err != nil {
				t.Fatal(err)
			}
			if got := readAnswer(t, conn, false); got.status != u.status {
				t.Errorf("status %d", got.status)
			}
			conn.Close()
			seen := u.app.rec.taken()
			if edgetest.IndexNumber(string(seen), port) >= 0 {
				t.Errorf("the port %s reached the app: %q", port, seen)
			}
			if u.over == wireFastCGI {
				checkVariables(t, fastCGIParams(seen), edgetest.ClientMask(t, c.source))
			}
			// The access log is written when the connection is done.
			testutil.Eventually(t, "the access log", func() bool { return strings.Contains(e.ReadFile(t, "access.log"), `"uri":"`+u.path) })
			for _, name := range []string{"access.log", "edge.log"} {
				log := e.ReadFile(t, name)
				if at := edgetest.IndexNumber(log, port); at >= 0 {
					t.Errorf("the port %s is in %s: %q", port, name, log[max(0, at-200):min(len(log), at+100)])
				}
			}
		})
	}
}

// dialFromOddPort connects from a port that nothing else has for a number: an app's own stands in the config, and a debug log
// lists the cipher suites of handshakes.
func dialFromOddPort(t *testing.T, source string, e *leakEdge) (net.Conn, string) {
	t.Helper()
	known := e.ReadFile(t, "edge.log")
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		known += fmt.Sprintf(" %d", suite.ID)
	}
	for {
		conn := dialFrom(t, source, e.Site)
		port := strconv.Itoa(conn.LocalAddr().(*net.TCPAddr).Port)
		if edgetest.IndexNumber(known, port) < 0 {
			return conn, port
		}
		conn.Close()
	}
}

func checkVariables(t *testing.T, got map[string]string, mask string) {
	t.Helper()
	for name, want := range map[string]string{
		"REMOTE_ADDR": mask, "REMOTE_HOST": mask, "REMOTE_PORT": "0", "HTTP_X_FORWARDED_FOR": mask, "HTTP_CLIENT_MASK": mask,
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
}
