package caddymodule

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
)

// redisFront is a TCP address in front of a Redis that may not be there: a balancer's, say.
type redisFront struct {
	net.Listener
	mode atomic.Value // what becomes of connections
}

const (
	frontCloses = "closes" // accepts and closes
	frontStalls = "stalls" // accepts and never answers
	frontServes = "serves" // hands on to Redis
)

func newRedisFront(t *testing.T, mode string, server *redistest.Server) *redisFront {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &redisFront{Listener: l}
	f.mode.Store(mode)
	done := make(chan struct{})
	t.Cleanup(func() { close(done); l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			switch f.mode.Load() {
			case frontCloses:
				conn.Close()
			case frontStalls:
				go func() { <-done; conn.Close() }()
			default:
				go f.handOn(conn, filepath.Join(server.Dir, "socket"))
			}
		}
	}()
	return f
}

func (f *redisFront) handOn(conn net.Conn, socket string) {
	defer conn.Close()
	up, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer up.Close()
	go io.Copy(up, conn)
	io.Copy(conn, up)
}

func redisFrontConfig(f *redisFront, backend string) string {
	site := func(label, address string) string {
		return address + ` {
			client_mask
			csp {
				reports
				site ` + label + `
			}
			reverse_proxy ` + backend + `
		}
		`
	}
	return `{
		{GLOBAL}
		wikiveil {
			data_dir {DIR}/data
			sightings {
				redis redis://` + f.Addr().String() + `
			}
		}
	}
	` + site("a", "http://:{PORT}") + site("b", "http://b.test:{PORT}") + site("c", "http://c.test:{PORT}") + site("d", "http://d.test:{PORT}")
}

// Case 45: Redis is not there at the start, or hangs. The edge starts for reading at once, whatever the number of sites;
// publishing waits, the log says why, once; and all works when Redis comes, without a reload.
func TestCase45RedisAwayAtTheStart(t *testing.T) {
	testutil.Slow(t)
	server := redistest.Start(t, redistest.Durable...)
	for _, mode := range []string{frontCloses, frontStalls} {
		t.Run(mode, func(t *testing.T) {
			front := newRedisFront(t, mode, server)
			wiki := edgetest.NewBackend(t, nil)
			config := redisFrontConfig(front, wiki.Address())
			if err := edgetest.Validate(t, config); err != nil {
				t.Fatalf("validate: %v", err)
			}
			begin := time.Now()
			e := edgetest.New(t, config)
			if took := time.Since(begin); took > 15*time.Second { // one wait of two seconds, not one for each store and site
				t.Errorf("the start took %v", took)
			}
			client := edgetest.From(t, "127.45.0.1")
			if resp, body := edgetest.Send(t, client, "GET", "http://"+e.Site+"/", nil); resp.StatusCode != 200 {
				t.Fatalf("reading: %d %s", resp.StatusCode, body)
			}
			wiki.Take()
			resp, body := edgetest.Send(t, client, "POST", "http://"+e.Site+"/", nil)
			if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(body, "can't store the record") || len(wiki.Take()) > 0 {
				t.Fatalf("publishing: %d, Retry-After %q, %s", resp.StatusCode, resp.Header.Get("Retry-After"), body)
			}
			logged := e.ReadLog(t)
			if n := strings.Count(logged, `"msg":"store is down`); n != 1 || !strings.Contains(logged, "redis is away") {
				t.Errorf("the log says %d times that Redis is down:\n%s", n, logged)
			}
			if up, known := e.Metrics(t)[`wikiveil_store_up{store="redis"}`]; !known || up != 0 {
				t.Errorf("the metric says %v, %v", up, known)
			}
			front.mode.Store(frontServes)
			testutil.Eventually(t, "publishing works", func() bool {
				resp, _ := edgetest.Send(t, client, "POST", "http://"+e.Site+"/", nil)
				return resp.StatusCode == 200
			})
			if up := e.Metrics(t)[`wikiveil_store_up{store="redis"}`]; up != 1 || strings.Count(e.ReadLog(t), `"msg":"store works again"`) != 1 {
				t.Errorf("the metric says %v, the log %s", up, e.ReadLog(t))
			}
		})
	}
}

// A Redis over TLS, with a certificate of the edge's and a login: the options of the config reach it.
func TestRedisOverTLS(t *testing.T) {
	testutil.Slow(t)
	secure := redistest.NewSecure(t)
	secure.User, secure.Password, secure.Allow = "edge", "secret", "~* +@all"
	server := secure.StartNode(t, "appendonly yes", "appendfsync always")
	wiki := edgetest.NewBackend(t, nil)
	config := func(ca string) string {
		return `{
			{GLOBAL}
			wikiveil {
				data_dir {DIR}/data
				sightings {
					redis ` + strings.Replace(server.URL(), "://", "://edge:secret@", 1) + ` {
						ca ` + ca + `
						certificate ` + secure.Certificate + ` ` + secure.Key + `
					}
				}
			}
		}
		http://:{PORT} {
			client_mask
			reverse_proxy ` + wiki.Address() + `
		}`
	}
	if err := edgetest.Validate(t, config(secure.CA+".missing")); err == nil || !strings.Contains(err.Error(), "redis: ca: open ") {
		t.Errorf("without the authorities' file: %v", err)
	}
	e := edgetest.New(t, config(secure.CA))
	if resp, body := edgetest.Send(t, edgetest.From(t, "127.46.0.1"), "POST", "http://"+e.Site+"/", nil); resp.StatusCode != 200 {
		t.Errorf("publishing: %d %s", resp.StatusCode, body)
	}
	if n := server.Command("DBSIZE"); n == "0" {
		t.Error("nothing is in Redis")
	}
}
