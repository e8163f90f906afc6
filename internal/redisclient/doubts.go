package redisclient

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Doubt is something by which a server may lose what it acknowledged, though the edge uses it.
type Doubt struct {
	What string
	// Mend is a line of redis.conf, or what else to do.
	Mend string
	// Losing: it does lose now, or refuses to take more.
	Losing bool
}

// Doubts asks the server, or all masters of a Cluster, how well it keeps what it acknowledges: also one that is trusted, or that is
// used for its replicas, and was never asked. It changes nothing.
func (c *Client) Doubts(ctx context.Context) ([]Doubt, error) {
	cluster, ok := c.UniversalClient.(*redis.ClusterClient)
	if !ok {
		return c.shared.config.doubts(ctx, c.UniversalClient)
	}
	var mu sync.Mutex
	var all []Doubt
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		doubts, err := c.shared.config.doubts(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, doubts...)
		return err
	})
	return all, err
}

func (c Config) doubts(ctx context.Context, server redis.Cmdable) (doubts []Doubt, err error) {
	info, err := server.Info(ctx).Result()
	if err != nil {
		return nil, err
	}
	settings, err := durability(ctx, server)
	if err != nil {
		return nil, err
	}
	if evicts(settings) {
		doubts = append(doubts, Doubt{What: fmt.Sprintf("it deletes records when its memory is full: its maxmemory-policy is %q", settings["maxmemory-policy"]), Mend: "maxmemory-policy noeviction"})
	}
	switch {
	case c.Replicas == 0 && forgets(settings):
		doubts = append(doubts, Doubt{What: fmt.Sprintf("it is trusted, and a crash loses what it acknowledged: its appendonly is %q and its appendfsync %q", settings["appendonly"], settings["appendfsync"]),
			Mend: "appendonly yes, appendfsync always (a line each); or `replicas 1` in the Caddyfile's redis"})
	case settings["appendonly"] != "yes":
		doubts = append(doubts, Doubt{What: "it keeps records in memory alone: if its replicas restart with it, all are gone", Mend: "appendonly yes"})
	}
	if status := Field(info, "aof_last_write_status"); settings["appendonly"] == "yes" && status != "" && status != "ok" {
		doubts = append(doubts, Doubt{What: "its last write to the append-only file failed", Mend: "make room on its disk; its log says more", Losing: true})
	}
	if copies, err := strconv.Atoi(Field(info, "connected_slaves")); err == nil && copies < c.Replicas {
		doubts = append(doubts, Doubt{What: fmt.Sprintf("%d replicas follow it, and the edge waits for %d: requests that publish are refused", copies, c.Replicas), Mend: "replicaof, at each replica", Losing: true})
	}
	return doubts, nil
}
