package redisstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/internal/redisclient"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/lookup/sightings/redisstore"
	"github.com/wikiveil/wikiveil/lookup/sightings/storetest"
)

// allowed is what docs/redis.md has the user of that name be allowed.
func allowed(t *testing.T, user string) string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "\nuser "+user+" on >PASSWORD ")
	line, _, found := strings.Cut(rest, "\n")
	if !found {
		t.Fatalf("docs/redis.md has no user %s", user)
	}
	return line
}

func secure(t *testing.T) *redistest.Secure {
	t.Helper()
	s := redistest.NewSecure(t)
	s.User, s.Password, s.Allow = "wikiveil", "the-edges", allowed(t, "wikiveil")
	s.SentinelPassword = "the-Sentinels"
	return s
}

func secureConfig(s *redistest.Secure, urls ...string) redisclient.Config {
	config := redisclient.Config{CA: s.CA, Certificate: s.Certificate, Key: s.Key}
	for _, url := range urls {
		config.URLs = append(config.URLs, strings.Replace(url, "://", "://"+s.User+":"+s.Password+"@", 1))
	}
	return config
}

// Over TLS, with a certificate of the client's and a login by a user who may do what docs/redis.md says, all works.
func TestSecure(t *testing.T) {
	s := secure(t)
	server := s.StartNode(t, "appendonly yes", "appendfsync always")
	cluster := s.StartCluster(t)
	for name, config := range map[string]redisclient.Config{
		"one server": secureConfig(s, server.URL()),
		"a Cluster":  asCluster(secureConfig(s, cluster[1].URL(), cluster[0].URL())),
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Test(t, func(t *testing.T) sightings.Store {
				return open(t, redisstore.Config{Redis: config, Prefix: "wikiveil:{" + t.Name() + "}:"})
			})
			values := openValues(t, config)
			if err := change(t, values); err != nil {
				t.Error(err)
			}
			testCount(t, values)
			if err := values.Delete(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		})
	}
	for _, n := range append(cluster, server) {
		if denied := n.Command("ACL", "LOG"); denied != "" {
			t.Errorf("denied: %s", denied)
		}
	}
}

func asCluster(config redisclient.Config) redisclient.Config {
	config.Cluster, config.Trust = true, true
	return config
}

// openValues is a store like those of quotas and confirmations.
func openValues(t *testing.T, config redisclient.Config) kv.Store {
	t.Helper()
	client, err := redisclient.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	s := kv.NewRedis(client, "wikiveil:values:")
	t.Cleanup(func() { s.Close() })
	return s
}

func change(t *testing.T, s kv.Store) error {
	t.Helper()
	return s.Update(t.Context(), "a", time.Now().Add(time.Hour), func(old []byte) ([]byte, error) { return append(old, 'x'), nil })
}

// testCount counts after a server has begun to remember.
func testCount(t *testing.T, s kv.Store) {
	t.Helper()
	counter := kv.Counter{Key: "n", Limit: 10, Since: time.Now(), Expires: time.Now().Add(time.Hour)}
	if _, _, err := s.Add(t.Context(), 1, counter); !errors.Is(err, kv.ErrForgot) {
		t.Errorf("of before the server was seen: %v", err)
	}
	counter.Since = time.Now().Add(time.Minute)
	if counts, over, err := s.Add(t.Context(), 1, counter); err != nil || over >= 0 || counts[0] == 0 {
		t.Errorf("counted: %v, %d, %v", counts, over, err)
	}
}

// What is wrong with certificates and logins is told; what is not there yet is waited for.
func TestSecureRefusals(t *testing.T) {
	s := secure(t)
	servers := s.StartSentinels(t)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config := secureConfig(s, servers.URLs...)
	config.Master, config.Trust, config.SentinelPassword = "wiki", true, s.SentinelPassword
	for name, tt := range map[string]struct {
		change func(*redisclient.Config)
		want   string // in the error
		unfit  bool   // refused, not away
	}{
		"as it should be":           {func(*redisclient.Config) {}, "", false},
		"another authority":         {func(c *redisclient.Config) { c.CA = "" }, "certificate signed by unknown authority", false},
		"no certificate of its own": {func(c *redisclient.Config) { c.Certificate, c.Key = "", "" }, "certificate required", false},
		"no TLS":                    {func(c *redisclient.Config) { *c = withoutTLS(*c) }, "", false},
		"no login at the Sentinels": {func(c *redisclient.Config) { c.SentinelPassword = "" }, "NOAUTH", true},
		"another one there":         {func(c *redisclient.Config) { c.SentinelPassword = "pa55word" }, "WRONGPASS", true},
		"another one at the server": {func(c *redisclient.Config) { c.URLs = replaced(c.URLs, s.Password, "pa55word") }, "WRONGPASS", true},
		"no file":                   {func(c *redisclient.Config) { c.CA = empty + ".pem" }, "no such file", false},
		"an empty file":             {func(c *redisclient.Config) { c.CA = empty }, "no certificate", false},
		"no key":                    {func(c *redisclient.Config) { c.Key = "" }, "certificate", false},
		"an authority without TLS":  {func(c *redisclient.Config) { c.URLs = replaced(c.URLs, "rediss:", "redis:") }, "rediss://", false},
	} {
		t.Run(name, func(t *testing.T) {
			config := config
			tt.change(&config)
			client, err := redisclient.Open(config)
			if err == nil {
				defer client.Close()
				if err = client.Ready(t.Context()); err == nil {
					err = client.Ping(t.Context()).Err()
				}
			}
			good := name == "as it should be"
			if good != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) || redisclient.Unfit(err) != tt.unfit {
				t.Errorf("unfit %v: %v", redisclient.Unfit(err), err)
			}
			if err != nil && strings.Contains(err.Error(), "pa55word") {
				t.Errorf("the password is told: %v", err)
			}
		})
	}
}

func replaced(texts []string, old, new string) (result []string) {
	for _, text := range texts {
		result = append(result, strings.Replace(text, old, new, 1))
	}
	return result
}

func withoutTLS(config redisclient.Config) redisclient.Config {
	config.CA, config.Certificate, config.Key = "", "", ""
	config.URLs = replaced(config.URLs, "rediss:", "redis:")
	return config
}

// Case 46: Sentinels that speak TLS and ask for a login, and a failover of such servers: all stores go on.
func TestCase46SecureFailover(t *testing.T) {
	for name, user := range map[string]string{"password": "", "user": "wikiveil-sentinel"} {
		t.Run(name, func(t *testing.T) {
			s := secure(t)
			if s.SentinelUser = user; user != "" {
				s.SentinelAllow = allowed(t, user)
			}
			servers := s.StartSentinels(t)
			config := secureConfig(s, servers.URLs...)
			config.Master, config.Replicas, config.Timeout = "wiki", 1, time.Second
			config.SentinelUsername, config.SentinelPassword = s.SentinelUser, s.SentinelPassword
			values := openValues(t, config)
			if err := change(t, values); err != nil {
				t.Fatal(err)
			}
			testFailover(t, servers, config)
			if got, err := values.Get(t.Context(), "a"); err != nil || string(got["a"]) != "x" {
				t.Errorf("a value from before: %q, %v", got, err)
			}
			testCount(t, values)
			if err := change(t, values); err != nil {
				t.Error(err)
			}
			if denied := servers.Replica.Command("ACL", "LOG"); denied != "" {
				t.Errorf("denied: %s", denied)
			}
		})
	}
}
