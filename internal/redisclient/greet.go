package redisclient

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ErrUnfit: the server is there, but is the wrong one or not configured as it must be.
var ErrUnfit = errors.New("redis can't be used as it is configured")

// greet looks at a new connection's server. A command that would use a connection to an unfit
// server fails with this error.
func (c Config) greet(ctx context.Context, conn *redis.Conn) error {
	if err := c.inspect(ctx, conn); err != nil {
		return fmt.Errorf("greeting: %w", err) // go-redis takes this layer off
	}
	return nil
}

func (c Config) inspect(ctx context.Context, conn *redis.Conn) error {
	if c.Master != "" { // Sentinels, which may allow no more than to ask for the master; and its name says what it is
		return nil
	}
	info, err := conn.Info(ctx, "server").Result()
	if err != nil {
		return fmt.Errorf("asking Redis what it is: %w", err)
	}
	switch mode := Field(info, "redis_mode"); {
	case mode == "sentinel":
		return fmt.Errorf("%w: this is a Sentinel; name the master that it watches", ErrUnfit)
	case mode == "cluster" && !c.Cluster:
		return fmt.Errorf("%w: this is a node of a Cluster; say so (cluster)", ErrUnfit)
	case mode == "standalone" && c.Cluster:
		return fmt.Errorf("%w: this is not a node of a Cluster", ErrUnfit)
	}
	if c.Trust || c.Replicas > 0 {
		return nil
	}
	settings, err := durability(ctx, conn)
	if err != nil && !refused(err) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: it does not tell how it is configured (%w); tell how many replicas must have a write, or trust it", ErrUnfit, err)
	}
	return fit(settings)
}

// durability returns the settings of a server that fit looks at.
func durability(ctx context.Context, server interface {
	ConfigGet(ctx context.Context, pattern string) *redis.MapStringStringCmd
}) (map[string]string, error) {
	settings := make(map[string]string)
	for _, pattern := range []string{"append*", "maxmemory*"} {
		got, err := server.ConfigGet(ctx, pattern).Result()
		if err != nil {
			return nil, err
		}
		maps.Copy(settings, got)
	}
	return settings, nil
}

// fit says what is wrong with a server's configuration, if anything.
func fit(settings map[string]string) error {
	if forgets(settings) {
		return fmt.Errorf("%w: it could lose what it acknowledged: its appendonly is %q and its appendfsync %q; set"+
			" `appendonly yes` and `appendfsync always` there, or tell how many replicas must have a write, or trust it",
			ErrUnfit, settings["appendonly"], settings["appendfsync"])
	}
	if evicts(settings) {
		return fmt.Errorf("%w: it would delete records when its memory is full: its maxmemory-policy is %q; set `maxmemory-policy noeviction` there",
			ErrUnfit, settings["maxmemory-policy"])
	}
	return nil
}

func forgets(settings map[string]string) bool {
	return settings["appendonly"] != "yes" || settings["appendfsync"] != "always"
}

func evicts(settings map[string]string) bool {
	return settings["maxmemory"] != "0" && settings["maxmemory-policy"] != "noeviction"
}

// Field returns a field of an answer to INFO.
func Field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// refused tells that a server said no from that none is there, or not ready yet.
func refused(err error) bool {
	if errors.Is(err, ErrUnfit) {
		return true
	}
	var answer redis.Error
	return errors.As(err, &answer) && !errors.Is(err, redis.Nil) && !redis.IsLoadingError(err) && !redis.IsMasterDownError(err) &&
		!redis.IsClusterDownError(err) && !redis.IsReadOnlyError(err) && !redis.IsTryAgainError(err) && !redis.IsMaxClientsError(err)
}
