package caddymodule

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A client's port singles it out among those that share an address: it is in no app's bytes and in no log.
func TestLeakOfPorts(t *testing.T) {
	c := leakClients()[0]
	e := newLeakEdge(t, leakConfig, "client_mask")
	for _, u := range e.upstreams {
		t.Run(u.name, func(t *testing.T) {
			conn := dialFrom(t, c.source, e.site)
			defer conn.Close()
			port := strconv.Itoa(conn.LocalAddr().(*net.TCPAddr).Port)
			if _, err := conn.Write([]byte(leakForm{head: "X-Visitor: {ip}:" + port}.request(c, e.site, u.path, u.more))); err != nil {
				t.Fatal(err)
			}
			if got := readAnswer(t, conn, false); got.status != u.status {
				t.Errorf("status %d", got.status)
			}
			conn.Close()
			seen := u.app.rec.taken()
			if indexNumber(string(seen), port) >= 0 {
				t.Errorf("the port %s reached the app: %q", port, seen)
			}
			if u.over == wireFastCGI {
				checkVariables(t, fastCGIParams(seen), clientMask(t, c.source))
			}
			// The access log is written when the connection is done.
			eventually(t, "the access log", func() bool { return strings.Contains(e.readFile(t, "access.log"), `"uri":"`+u.path) })
			for _, name := range []string{"access.log", "edge.log"} {
				if indexNumber(e.readFile(t, name), port) >= 0 {
					t.Errorf("the port %s is in %s", port, name)
				}
			}
		})
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

// readFile reads a file of the edge; it may not exist yet.
func (e *edge) readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(e.dir, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}
