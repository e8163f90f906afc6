package redisclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wikiveil/wikiveil/internal/health"
)

// ErrAway: no server answers, or not yet.
var ErrAway = errors.New("redis is away")

const (
	watchEvery = time.Second
	tryEvery   = watchEvery / 4 // while it is away
)

// A Client is one user's hold on the shared client of a config.
type Client struct {
	redis.UniversalClient
	shared *shared
	once   sync.Once
}

// shared is what all clients of one config use.
type shared struct {
	redis.UniversalClient
	config  Config
	key     string
	users   int // guarded by clientsMu
	timeout time.Duration
	part    *health.Part
	verdict atomic.Pointer[verdict] // nil: not asked yet
	asked   chan struct{}           // closed with the first verdict
	stop    context.CancelFunc
	watcher sync.WaitGroup
}

type verdict struct{ err error }

var (
	clientsMu sync.Mutex
	clients   = make(map[string]*shared)
)

// Open returns a client; it asks nothing of the server itself. Close it after use.
func Open(config Config) (*Client, error) {
	clientsMu.Lock()
	defer clientsMu.Unlock()
	key := config.key()
	s := clients[key]
	if s == nil {
		client, err := config.client()
		if err != nil {
			return nil, err
		}
		s = &shared{
			UniversalClient: client, config: config, key: key, timeout: cmp.Or(config.Timeout, DefaultTimeout), asked: make(chan struct{}),
			part: health.Watch("redis", "until Redis is there, requests that can publish, look-ups and confirmations get 503; reading goes on", config.Log),
		}
		client.AddHook(breaker{s})
		ctx, stop := context.WithCancel(context.Background())
		s.stop = stop
		s.watcher.Go(func() { s.watch(ctx) })
		clients[key] = s
	}
	s.users++
	return &Client{UniversalClient: s.UniversalClient, shared: s}, nil
}

// Close lets go of the connections when nobody else uses them.
func (c *Client) Close() (err error) {
	c.once.Do(func() {
		clientsMu.Lock()
		defer clientsMu.Unlock()
		s := c.shared
		if s.users--; s.users > 0 {
			return
		}
		delete(clients, s.key)
		s.stop()
		s.watcher.Wait()
		s.part.Close()
		err = s.UniversalClient.Close()
	})
	return err
}

// Ready waits until the server was asked for the first time, which takes no longer than the timeout. Errors: [ErrAway], and
// what [Unfit] is true of.
func (c *Client) Ready(ctx context.Context) error {
	select {
	case <-c.shared.asked:
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.shared.down()
}

// Unfit reports whether err is a server's refusal, not that none is there.
func Unfit(err error) bool { return err != nil && refused(err) }

// Master returns a client of the one server that has a key: what is sent to it in a pipeline goes over one
// connection, as WAIT needs. After an error of it call [Client.Failed].
func (c *Client) Master(ctx context.Context, key string) (redis.Cmdable, error) {
	if err := c.shared.down(); err != nil {
		return nil, err
	}
	cluster, ok := c.UniversalClient.(*redis.ClusterClient)
	if !ok {
		return c.UniversalClient, nil
	}
	return cluster.MasterForKey(ctx, key)
}

// Failed has a Cluster asked anew which node has which key.
func (c *Client) Failed(ctx context.Context) {
	if cluster, ok := c.UniversalClient.(*redis.ClusterClient); ok {
		cluster.ReloadState(ctx)
	}
}

func (s *shared) watch(ctx context.Context) {
	for {
		asking, cancel := context.WithTimeout(ctx, s.timeout)
		err := s.ping(asking)
		cancel()
		if ctx.Err() != nil {
			return
		}
		s.judge(err)
		wait := watchEvery
		if err != nil {
			wait = tryEvery
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// judge makes err the verdict.
func (s *shared) judge(err error) {
	if err != nil && !refused(err) {
		err = fmt.Errorf("%w: %w", ErrAway, err)
	}
	before := s.verdict.Swap(&verdict{err})
	level := slog.LevelError
	if before == nil {
		level = slog.LevelWarn
	}
	s.part.SetAt(level, err)
	if before == nil {
		close(s.asked)
	}
}

// down is why no command is to be sent.
func (s *shared) down() error {
	if v := s.verdict.Load(); v != nil {
		return v.err
	}
	return nil
}

// ping asks the server, or any master of a Cluster, of which some may be away.
func (s *shared) ping(ctx context.Context) error {
	cluster, ok := s.UniversalClient.(*redis.ClusterClient)
	if !ok {
		return s.Ping(context.WithValue(ctx, pinging{}, true)).Err()
	}
	var answered atomic.Bool
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		err := node.Ping(ctx).Err()
		if err == nil {
			answered.Store(true)
		}
		return err
	})
	if answered.Load() {
		return nil
	}
	if err != nil {
		cluster.ReloadState(ctx)
	}
	return err
}

// breaker has commands fail at once while the server is away.
type breaker struct{ *shared }

// pinging marks the context of the watcher's own commands.
type pinging struct{}

func (b breaker) open(ctx context.Context) error {
	if ctx.Value(pinging{}) != nil {
		return nil
	}
	return b.down()
}

// DialHook implements redis.Hook.
func (breaker) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (b breaker) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := b.open(ctx); err != nil {
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (b breaker) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := b.open(ctx); err != nil {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
			return err
		}
		return next(ctx, cmds)
	}
}

// Interface guard
var _ redis.Hook = breaker{}
