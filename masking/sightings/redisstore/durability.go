package redisstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// greet looks at a new connection's server. A command that would use a connection to
// an unfit server fails with this error.
func (s *Store) greet(ctx context.Context, conn *redis.Conn) error {
	if err := s.inspect(ctx, conn); err != nil {
		return fmt.Errorf("greeting: %w", err) // go-redis takes this layer off
	}
	return nil
}

func (s *Store) inspect(ctx context.Context, conn *redis.Conn) error {
	info, err := conn.Info(ctx, "server").Result()
	if err != nil {
		return fmt.Errorf("asking Redis for its run id: %w", err)
	}
	for line := range strings.Lines(info) {
		if id, ok := strings.CutPrefix(line, "run_id:"); ok {
			s.sawServer(strings.TrimSpace(id))
		}
	}
	if s.config.Trust || s.config.Replicas > 0 {
		return nil
	}
	settings := make(map[string]string)
	for _, pattern := range []string{"append*", "maxmemory*"} {
		got, err := conn.ConfigGet(ctx, pattern).Result()
		if unreachable(err) {
			return err
		} else if err != nil {
			return fmt.Errorf("this Redis does not tell how it is configured (%w); tell how many replicas must have a write, or trust it", err)
		}
		for k, v := range got {
			settings[k] = v
		}
	}
	return fit(settings)
}

// fit says what is wrong with a server's configuration, if anything.
func fit(settings map[string]string) error {
	if settings["appendonly"] != "yes" || settings["appendfsync"] != "always" {
		return fmt.Errorf("this Redis could lose what it acknowledged: its appendonly is %q and its appendfsync %q; set"+
			" `appendonly yes` and `appendfsync always` there, or tell how many replicas must have a write, or trust it",
			settings["appendonly"], settings["appendfsync"])
	}
	if policy := settings["maxmemory-policy"]; settings["maxmemory"] != "0" && policy != "noeviction" {
		return fmt.Errorf("this Redis would delete records when its memory is full: its maxmemory-policy is %q; set `maxmemory-policy noeviction` there", policy)
	}
	return nil
}
