package redisclient_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/internal/health"
	"github.com/wikiveil/wikiveil/internal/redisclient"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, config redisclient.Config) *redisclient.Client {
	t.Helper()
	c, err := redisclient.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestBadConfig(t *testing.T) {
	const url = "redis://user:pa55word@127.0.0.1"
	for name, tt := range map[string]struct {
		config redisclient.Config
		want   string
	}{
		"no URL":                {redisclient.Config{}, "a URL is not"},
		"another scheme":        {redisclient.Config{URLs: []string{"http://user:pa55word@localhost"}}, "a URL is not"},
		"port is no number":     {redisclient.Config{URLs: []string{"redis://user:pa55word@localhost:x/0"}}, "a URL is not"},
		"negative":              {redisclient.Config{URLs: []string{url}, Replicas: -1}, "negative"},
		"two promises":          {redisclient.Config{URLs: []string{url}, Replicas: 1, Trust: true}, "not both"},
		"two kinds":             {redisclient.Config{URLs: []string{url}, Master: "m", Cluster: true}, "not both"},
		"two servers":           {redisclient.Config{URLs: []string{url, url + ":1"}}, "name the master"},
		"login for none":        {redisclient.Config{URLs: []string{url}, SentinelPassword: "pa55word"}, "without a master"},
		"Sentinels, no copies":  {redisclient.Config{URLs: []string{url}, Master: "m"}, "replicas 1"},
		"Cluster, no copies":    {redisclient.Config{URLs: []string{url}, Cluster: true}, "replicas 1"},
		"other passwords":       {redisclient.Config{URLs: []string{url, "redis://user:other@127.0.0.1"}, Cluster: true, Trust: true}, "differ"},
		"socket of a Cluster":   {redisclient.Config{URLs: []string{"unix:///socket"}, Cluster: true, Trust: true}, "redis:// or rediss://"},
		"options of a Cluster":  {redisclient.Config{URLs: []string{url + "?pool_size=3"}, Cluster: true, Trust: true}, "question mark"},
		"database of a Cluster": {redisclient.Config{URLs: []string{url + "/3"}, Cluster: true, Trust: true}, "no databases"},
	} {
		_, err := redisclient.Open(tt.config)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "pa55word") || tt.config.Validate() == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Case 45: a listener that closes or says nothing. The first question ends within the timeout, and after it every
// command fails without another wait.
func TestCase45NobodyAnswers(t *testing.T) {
	closes, stalls := func(c net.Conn) { c.Close() }, func(net.Conn) {}
	for name, tt := range map[string]struct {
		scheme string
		take   func(net.Conn)
	}{"closes": {"redis", closes}, "stalls": {"redis", stalls}, "closes, TLS": {"rediss", closes}, "stalls, TLS": {"rediss", stalls}} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					defer conn.Close()
					tt.take(conn)
				}
			}()
			c := open(t, redisclient.Config{URLs: []string{tt.scheme + "://" + l.Addr().String()}, Timeout: 500 * time.Millisecond})
			begin := time.Now()
			if err := c.Ready(t.Context()); !errors.Is(err, redisclient.ErrAway) || redisclient.Unfit(err) {
				t.Fatalf("Ready: %v", err)
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("Ready took %v", took)
			}
			// With a context that has ended, anything that asked the server would say so.
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if err := c.Get(ended, "key").Err(); !errors.Is(err, redisclient.ErrAway) {
				t.Errorf("a command: %v", err)
			}
			pipe := c.Pipeline()
			pipe.Get(ended, "key")
			if _, err := pipe.Exec(ended); !errors.Is(err, redisclient.ErrAway) {
				t.Errorf("a pipeline: %v", err)
			}
			if _, err := c.Master(ended, "key"); !errors.Is(err, redisclient.ErrAway) {
				t.Errorf("Master: %v", err)
			}
		})
	}
}

// Two users of one config share the connections; the last one closes them.
func TestShared(t *testing.T) {
	server := redistest.Start(t, redistest.Durable...)
	config := redisclient.Config{URLs: []string{server.URL}}
	one, two := open(t, config), open(t, config)
	if one.UniversalClient != two.UniversalClient {
		t.Error("two clients")
	}
	if err := errors.Join(one.Ready(t.Context()), one.Close(), one.Close()); err != nil {
		t.Fatal(err)
	}
	if err := two.Ping(t.Context()).Err(); err != nil {
		t.Errorf("after the other's Close: %v", err)
	}
	if up, known := health.Up()["redis"]; !up || !known {
		t.Errorf("the metric says %v, %v", up, known)
	}
	two.Close()
	if _, known := health.Up()["redis"]; known {
		t.Error("still counted")
	}
}

// A server of another kind than the config says is told of with the way out.
func TestCase46WrongKind(t *testing.T) {
	sentinels := redistest.StartSentinels(t)
	plain := redistest.Start(t, redistest.Durable...)
	cluster := redistest.StartNode(t, "cluster-enabled yes", "cluster-config-file {DIR}/nodes")
	for name, tt := range map[string]struct {
		config redisclient.Config
		want   string
	}{
		"a Sentinel":           {redisclient.Config{URLs: sentinels.URLs[:1]}, "name the master"},
		"unknown master":       {redisclient.Config{URLs: sentinels.URLs, Master: "other", Trust: true}, "sentinel"},
		"a Cluster":            {redisclient.Config{URLs: []string{cluster.URL()}, Trust: true}, "say so (cluster)"},
		"no Cluster":           {redisclient.Config{URLs: []string{sentinels.Master.URL()}, Cluster: true, Trust: true}, "not a node of a Cluster"},
		"no append-only file":  {redisclient.Config{URLs: []string{sentinels.Master.URL()}}, "appendonly"},
		"a wrong password":     {redisclient.Config{URLs: []string{strings.Replace(sentinels.Master.URL(), "//", "//user:pa55word@", 1)}}, "WRONGPASS"},
		"a server that is fit": {redisclient.Config{URLs: []string{plain.URL}}, ""},
	} {
		c := open(t, tt.config)
		err := c.Ready(t.Context())
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(tt.want))) {
			t.Errorf("%s: %v", name, err)
		}
		if unfit := tt.want != "" && tt.want != "sentinel"; redisclient.Unfit(err) != unfit {
			t.Errorf("%s: Unfit is %v of %v", name, !unfit, err)
		}
		c.Close()
	}
}

func TestTagged(t *testing.T) {
	for prefix, want := range map[string]string{"a:": "{a:}", "a:{b}:": "a:{b}:", "{}:": "{{}:}", "}{": "{}{}"} {
		if got := redisclient.Tagged(prefix); got != want {
			t.Errorf("%q: %q", prefix, got)
		}
	}
}
