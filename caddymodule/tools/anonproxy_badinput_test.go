package tools

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// What no browser sends is refused with a reason by the whole edge, and neither a tool
// nor the wiki gets any of it.
func TestBadRequestsForTools(t *testing.T) {
	tool, wiki := edgetest.JSONTool(t), edgetest.NewBackend(t, nil)
	e := toolsEdge(t, tool, wiki)
	host := " HTTP/1.1\r\nHost: " + e.Site + "\r\nConnection: close\r\n"
	for _, tc := range []struct {
		name, request string
		status        int
		reason        string
	}{
		{"dot segments", "GET /.tools/maps/a/../b" + host, 400, "a dot segment"},
		{"dot segments out", "GET /.tools/maps/../../etc/passwd" + host, 400, "a dot segment"},
		{"dots for a name", "GET /.tools/../w/api.php" + host, 404, "no tool of that name"},
		{"escaped dots", "GET /.tools/maps/%2e%2e/b" + host, 400, "a dot segment"},
		{"dots and an escaped slash", "GET /.tools/maps/a%2F..%2Fb" + host, 400, "a dot segment"},
		{"a backslash", `GET /.tools/maps/a\b` + host, 400, "a byte that isn't allowed"},
		{"an escaped backslash", "GET /.tools/maps/a%5cb" + host, 400, "a control byte or a backslash"},
		{"an escaped NUL", "GET /.tools/maps/a%00b" + host, 400, "a control byte or a backslash"},
		{"a NUL", "GET /.tools/maps/a\x00b" + host, 400, ""},
		{"another host", "GET /.tools/maps//evil.example/x" + host, 400, "an empty segment"},
		{"a broken escape", "GET /.tools/maps/%zz" + host, 400, ""},
		{"an escaped prefix", "GET /%2etools/maps/x" + host, 400, "must not be escaped"},
		{"an unknown tool", "GET /.tools/unknown/x" + host, 404, "no tool of that name"},
		{"overlong", "GET /.tools/maps/" + strings.Repeat("a", 8<<10) + host, 414, "too long"},
		{"large headers", "GET /.tools/maps/x" + host + "X-Large: " + strings.Repeat("a", 1<<20+16<<10) + "\r\n", 431, ""},
		{"a bad range", "GET /.tools/maps/x" + host + "Range: bytes=9-1\r\n", 416, "malformed"},
		{"many ranges", "GET /.tools/maps/x" + host + "Range: bytes=" + strings.Repeat("0-1,", 100) + "b-a\r\n", 416, "malformed"},
		{"two lengths", "GET /.tools/maps/x" + host + "Content-Length: 5\r\nContent-Length: 6\r\n", 400, ""},
		{"chunks and a length", "GET /.tools/maps/x" + host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n", 400, "must not have a body"},
		{"a body", "GET /.tools/maps/x" + host + "Content-Length: 2\r\n\r\n{}", 400, "must not have a body"},
		{"another method", "TRACE /.tools/maps/x" + host, 405, "isn't declared for this method"},
		{"metadata twice", "GET /.tools/maps/x" + host + "Sec-Fetch-Dest: image\r\nSec-Fetch-Dest: script\r\n", 400, "sent twice"},
		{"events that aren't declared", "GET /.tools/maps/x" + host + "Accept: text/event-stream\r\n", 403, "isn't declared for event streams"},
		{"half a websocket", "GET /.tools/maps/x" + host + "Upgrade: websocket\r\n", 400, "the websocket handshake is malformed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", e.Site)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, tc.request+"\r\n"); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if resp.StatusCode != tc.status || !strings.Contains(string(body), tc.reason) || len(body) == 0 || err != nil {
				t.Errorf("got %d %q, %v; want %d and a reason with %q", resp.StatusCode, body, err, tc.status, tc.reason)
			}
		})
	}
	if n := len(tool.Take()) + len(wiki.Take()); n != 0 {
		t.Errorf("%d requests were sent on", n)
	}
}
