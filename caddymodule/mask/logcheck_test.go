package mask

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap/zapcore"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

func init() {
	caddy.RegisterModule(testCore{})
}

// testCore is a core that a log can have beside its own.
type testCore struct {
	zapcore.Core `json:"-"`
}

func (testCore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.cores.test", New: func() caddy.Module { return &testCore{zapcore.NewNopCore()} }}
}

func (testCore) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

// Case 8: a log that would hold addresses is refused, with its name and the way out.
func TestCase8LogsThatAreNotMaskedAreRefused(t *testing.T) {
	for _, c := range []struct{ name, global, site, want string }{
		{"a site's own output", "", "log {\noutput file {DIR}/site.log\n}", `the log "log0" to `},
		{"a site's own format", "", "log {\nformat json\n}", `the log "log0" is not masked`},
		{"a named log of a site", "", "log mine {\nformat console\n}", `the log "mine" is not masked`},
		{"a second global logger", "log other {\noutput file {DIR}/other.log\ninclude http.log.access\n}", "", `the log "other" to `},
		{"a second global logger that excludes", "log other {\noutput file {DIR}/other.log\nexclude http.log.error\n}", "", `the log "other" to `},
		{"a logger for log_name", "", "log mine {\noutput file {DIR}/mine.log\nno_hostname\n}\nlog_name mine", `the log "mine" to `},
		{"a filter around it", "", "log {\nformat filter {\nwrap masked\nrequest>remote_ip hash\n}\n}", `the log "log0" is not masked`},
		{"fields appended around it", "", "log {\nformat append {\nwrap masked\nx y\n}\n}", `the log "log0" is not masked`},
		{"a core", "", "log {\nformat masked\ncore test\n}", `the log "log0" has a core of its own`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := edgetest.Validate(t, "{\n{GLOBAL}\n"+c.global+"\n}\nhttp://{SITE} {\n"+c.site+"\nclient_mask\nrespond ok\n}\n")
			if err == nil {
				t.Fatal("valid")
			}
			for _, want := range []string{c.want, "would hold addresses of clients", "format masked", "format raw"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
		})
	}
}

// Case 8: what is masked, thrown away, or said to be raw.
func TestCase8LogsThatAreAllowed(t *testing.T) {
	for name, c := range map[string]struct{ global, site string }{
		"masked":               {"", "log {\noutput file {DIR}/site.log\nformat masked console\n}"},
		"masked with sampling": {"", "log {\nformat masked\nsampling {\nfirst 1\n}\n}"},
		"masked around others": {"", "log {\nformat masked filter {\nwrap console\nfields {\nuser_id delete\n}\n}\n}"},
		"raw":                  {"log other {\noutput file {DIR}/other.log\nformat raw\n}", "log {\nformat raw console {\ntime_format iso8601\n}\n}"},
		"raw with a core":      {"", "log {\nformat raw\ncore test\n}"},
		"thrown away":          {"log other {\noutput discard\n}", "log {\noutput discard\n}"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := edgetest.Validate(t, "{\n{GLOBAL}\n"+c.global+"\n}\nhttp://{SITE} {\n"+c.site+"\nclient_mask\nrespond ok\n}\n"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Case 8, in JSON: any logger, the default log too, and the log of Go's standard library.
func TestCase8LogsInJSON(t *testing.T) {
	const app = `"wikiveil": {"secrets": ["` + edgetest.Secret + `"]}`
	for name, c := range map[string]struct{ logging, want string }{
		"no logs":     {`{}`, `the log "default" is not masked`},
		"default":     {`{"logs": {"default": {"encoder": {"format": "json"}}}}`, `the log "default" is not masked`},
		"another":     {`{"logs": {"default": {"encoder": {"format": "masked"}}, "x": {"include": ["admin"]}}}`, `the log "x" is not masked`},
		"sink":        {`{"sink": {}, "logs": {"default": {"encoder": {"format": "masked"}}}}`, `the log "sink" is not masked`},
		"masked sink": {`{"sink": {"encoder": {"format": "masked"}}, "logs": {"default": {"encoder": {"format": "masked"}}}}`, ""},
		"masked raw":  {`{"logs": {"default": {"encoder": {"format": "masked", "wrap": {"format": "raw"}}}}}`, "either masked or raw"},
	} {
		t.Run(name, func(t *testing.T) {
			var config caddy.Config
			dir := t.TempDir()
			text := `{"admin": {"disabled": true}, "storage": {"module": "file_system", "root": "` + dir + `"}, "logging": ` + c.logging + `, "apps": {` + app + `}}`
			if err := json.Unmarshal([]byte(text), &config); err != nil {
				t.Fatal(err)
			}
			err := caddy.Validate(&config)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// Case 8: a Caddyfile that says nothing of the default log gets it masked, and what else it says of logs stays.
func TestCase8TheDefaultLogIsMaskedByItself(t *testing.T) {
	type config struct {
		Logging struct {
			Logs map[string]struct {
				Level   string
				Encoder struct{ Format string }
			}
		}
		Apps struct {
			HTTP struct {
				Servers map[string]struct{ Logs any }
			}
		}
	}
	for name, c := range map[string]struct{ global, site, encoder, level string }{
		"client_mask":         {"", "client_mask", "masked", ""},
		"csp":                 {"", "csp", "masked", ""},
		"anonproxy":           {"", "anonproxy", "masked", ""},
		"mask_info":           {"", "mask_info {\nwiki http://127.0.0.1/api.php\n}", "masked", ""},
		"debug":               {"debug", "client_mask", "masked", "DEBUG"},
		"another global log":  {"log other {\nformat masked\n}", "client_mask", "masked", ""},
		"its own":             {"log {\nformat raw\nlevel ERROR\n}", "client_mask", "raw", "ERROR"},
		"its own by name":     {"log default {\nformat raw\n}", "client_mask", "raw", ""},
		"its own, not masked": {"log {\nlevel ERROR\n}", "client_mask", "", "ERROR"},
		"nothing of ours":     {"", "respond ok", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			data, _, err := edgetest.AdaptWarnings("{\n" + c.global + "\n}\n:80 {\n" + c.site + "\n}\n")
			if err != nil {
				t.Fatal(err)
			}
			var got config
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			if log := got.Logging.Logs["default"]; log.Encoder.Format != c.encoder || log.Level != c.level {
				t.Errorf("got %+v in %s", log, data)
			}
			if strings.Contains(c.global, "other") && got.Logging.Logs["other"].Encoder.Format != "masked" {
				t.Errorf("the other log is gone: %s", data)
			}
			if logs := got.Apps.HTTP.Servers["srv0"].Logs; logs != nil {
				t.Errorf("an access log that nobody asked for: %v", logs)
			}
		})
	}
	if _, _, err := edgetest.AdaptWarnings(":80 {\nwikiveil_default_log\n}\n"); err == nil {
		t.Error("anybody can use the directive that is our own")
	}
}

// A config that has nothing of ours isn't our business.
func TestLogsOfOtherConfigsAreLeftAlone(t *testing.T) {
	if err := edgetest.Validate(t, "{\nadmin off\nauto_https off\n}\nhttp://{SITE} {\nlog\nrespond ok\n}\n"); err != nil {
		t.Fatal(err)
	}
}

// Caddy writes to a config's logs before it is known whether the config is accepted. One that is refused
// for its logs, or before these are looked at, doesn't get those of the config that stays.
func TestCase8ARefusedConfigLeavesTheLogsAlone(t *testing.T) {
	for option, why := range map[string]string{
		"":                         `the log "default"`,
		"tools_file {env.NOTHING}": "tools_file {env.NOTHING} is empty",
		"secret {env.NOTHING}":     "secret 1 is empty",
	} {
		t.Run(why, func(t *testing.T) { refusedConfigLeavesTheLogsAlone(t, option, why) })
	}
}

func refusedConfigLeavesTheLogsAlone(t *testing.T, option, why string) {
	const site = "{\n{GLOBAL}\nwikiveil {\nOPTION\n}\n}\nhttp://{SITE} {\nclient_mask\nrespond ok\n}\n"
	e := edgetest.New(t, strings.Replace(site, "OPTION", "", 1))
	raw := filepath.Join(e.Dir, "raw.log")
	refused := strings.NewReplacer(e.Log, raw, "format masked json", "format json", "OPTION", option).Replace(e.Expand(site))
	if err := edgetest.LoadErr(t, refused); err == nil || !strings.Contains(err.Error(), why) {
		t.Fatalf("loaded, or refused for something else: %v", err)
	}
	caddy.Log().Info("afterwards 192.0.2.77")
	log.Print("by the standard library: 192.0.2.78")
	testutil.Eventually(t, "both lines", func() bool {
		text := e.ReadLog(t)
		return strings.Contains(text, "afterwards masked") && strings.Contains(text, "by the standard library: masked")
	})
	data, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "192.0.2.7") {
		t.Errorf("the refused config's log holds an address:\n%s", data)
	}
}

// A config that fails to start after it has taken the logs over gives them back: the masks in them, the default log, and
// that of Go's standard library.
func TestAConfigThatDoesNotStartGivesTheLogsBack(t *testing.T) {
	const site = `{
		{GLOBAL}
		wikiveil {
			sightings
			audit {
				node one
			}
		}
	}
	http://{SITE} {
		client_mask
		mask_info {
			user 1 info
		}
	}
	`
	e := edgetest.New(t, site)
	sink := `"logging": {"sink": {"writer": {"output": "file", "filename": "` + filepath.Join(e.Dir, "sink.log") + `"}, "encoder": {"format": "masked"}},`
	if err := caddy.Load([]byte(strings.Replace(string(edgetest.Adapt(t, e.Expand(site))), `"logging":{`, sink, 1)), true); err != nil {
		t.Fatal(err)
	}
	edgetest.Settled(t)
	masks := logMasks.Load()
	other := strings.NewReplacer(e.Log, filepath.Join(e.Dir, "other.log"), "node one", "node two").Replace(e.Expand(site))
	if err := edgetest.LoadErr(t, other); err == nil || !strings.Contains(err.Error(), "a node can't be renamed") {
		t.Fatalf("loaded, or refused for something else: %v", err)
	}
	if logMasks.Load() != masks {
		t.Error("the logs have the masks of the config that didn't start")
	}
	caddy.Log().Info("said afterwards")
	log.Print("said by the standard library")
	testutil.Eventually(t, "both lines", func() bool {
		return strings.Contains(e.ReadLog(t), "said afterwards") && strings.Contains(e.ReadFile(t, "sink.log"), "said by the standard library")
	})
}
