package edge

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/checkup"
	"github.com/wikiveil/wikiveil/internal/health"
	"github.com/wikiveil/wikiveil/internal/redisclient"
)

// Check looks at something of the edge that runs, for `wikiveil doctor`, and tells how it stands. It changes nothing. Servers is
// nil where the config has none.
type Check func(ctx context.Context, app *App, config caddy.Context, servers *caddyhttp.App) []checkup.Finding

var checks = []Check{checkClock, checkStores, checkRedis, checkGeoIP}

// AddCheck adds a check. Call it in init.
func AddCheck(check Check) { checks = append(checks, check) }

// Checkup does all checks.
func (a *App) Checkup(ctx context.Context) (findings []checkup.Finding) {
	for _, check := range checks {
		findings = append(findings, check(ctx, a, a.ctx, a.servers)...)
	}
	return findings
}

// Probes are the requests that `wikiveil doctor` has this edge look out for.
func (a *App) Probes() *checkup.Probes { return &a.probes }

func checkClock(_ context.Context, a *App, _ caddy.Context, _ *caddyhttp.App) []checkup.Finding {
	if err := a.clock.Status().Err(); err != nil {
		return []checkup.Finding{{Check: "clocks", Level: checkup.Error, What: err.Error(), Mend: "timedatectl set-ntp true; if the clock is right: wikiveil clock confirm"}}
	}
	return []checkup.Finding{{Check: "clocks", Level: checkup.OK, What: "the edge believes its machine's clock"}}
}

func checkStores(context.Context, *App, caddy.Context, *caddyhttp.App) (findings []checkup.Finding) {
	up := health.Up()
	for _, name := range slices.Sorted(maps.Keys(up)) {
		if !up[name] {
			findings = append(findings, checkup.Finding{Check: "stores", Level: checkup.Error, What: "the store " + name + " is down", Mend: "the edge's log says why, and docs/operations.md what to do"})
		}
	}
	if findings == nil {
		findings = []checkup.Finding{{Check: "stores", Level: checkup.OK, What: "all stores are up"}}
	}
	return findings
}

func checkRedis(ctx context.Context, a *App, _ caddy.Context, _ *caddyhttp.App) (findings []checkup.Finding) {
	config := a.redis()
	if config == nil {
		return nil
	}
	client, err := redisclient.Open(config.resolve())
	if err == nil {
		defer client.Close()
		var doubts []redisclient.Doubt
		doubts, err = client.Doubts(ctx)
		for _, d := range doubts {
			level := checkup.Warning
			if d.Losing {
				level = checkup.Error
			}
			findings = append(findings, checkup.Finding{Check: "redis", Level: level, What: d.What, File: "redis.conf", Mend: d.Mend})
		}
	}
	switch {
	case err != nil:
		return append(findings, checkup.Finding{Check: "redis", Level: checkup.Untold, What: "Redis doesn't tell whether it keeps what it acknowledges: " + err.Error(),
			Mend: "let the edge's user call INFO and CONFIG GET, as docs/redis.md has it"})
	case findings == nil:
		return []checkup.Finding{{Check: "redis", Level: checkup.OK, What: "Redis keeps what it acknowledges"}}
	}
	return findings
}

// oldGeoIP is how old a database may be: providers give new ones each week, or month.
const (
	oldGeoIP   = 90 * 24 * time.Hour
	renewGeoIP = "have it renewed each week, as by geoipupdate"
)

func checkGeoIP(_ context.Context, a *App, _ caddy.Context, _ *caddyhttp.App) (findings []checkup.Finding) {
	if a.recorder == nil {
		return nil
	}
	for _, db := range a.recorder.geo.Status() {
		age := a.clock.Now().Sub(db.Built)
		switch {
		case db.Err != nil:
			findings = append(findings, checkup.Finding{Check: "geoip", Level: checkup.Error, What: fmt.Sprintf("the %s database's file is broken, and an older one in use: %v", db.Kind, db.Err), Mend: renewGeoIP})
		case age > oldGeoIP:
			findings = append(findings, checkup.Finding{Check: "geoip", Level: checkup.Warning, What: oldDatabase(db.Kind, db.Built, age), Mend: renewGeoIP})
		default:
			findings = append(findings, checkup.Finding{Check: "geoip", Level: checkup.OK, What: fmt.Sprintf("the %s database is of %s", db.Kind, db.Built.Format(time.DateOnly))})
		}
	}
	return findings
}

func oldDatabase(kind string, built time.Time, age time.Duration) string {
	return fmt.Sprintf("the %s database is %d days old, of %s: networks have changed hands since", kind, int(age.Hours()/24), built.Format(time.DateOnly))
}
