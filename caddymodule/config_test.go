package caddymodule

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

func TestBadConfigIsRefusedWithFileAndLine(t *testing.T) {
	t.Setenv("SHORT_SECRET", "abcd")
	t.Setenv("BAD_SECRET", strings.Repeat("x", 64))
	for _, c := range []struct {
		name, global, site string
		want               []string
	}{
		{"unknown app option", "colour red", "", []string{`unknown wikiveil option "colour"`, "Caddyfile:3"}},
		{"short secret", "secret abcd", "", []string{"shorter than 32 bytes", "Caddyfile:3"}},
		{"short secret in the environment", "secret {env.SHORT_SECRET}", "", []string{"shorter than 32 bytes", "Caddyfile:3"}},
		{"secret not in hex", "secret {env.BAD_SECRET}", "", []string{"not in hex", "Caddyfile:3"}},
		{"secret twice", "secret " + edgetest.Secret + " " + edgetest.Secret, "", []string{"same secret twice"}},
		{"no secret", "secret", "", []string{"wrong argument count", "Caddyfile:3"}},
		{"secret and rotate", "rotate 90d\nsecret " + edgetest.Secret, "", []string{"are for the key ring in storage", "Caddyfile:4"}},
		{"rotate too often", "rotate 1m", "", []string{"shorter than an hour", "Caddyfile:3"}},
		{"rotate not a duration", "rotate soon", "", []string{"parsing rotate", "Caddyfile:3"}},
		{"keep too many", "keep 17", "", []string{"keep 17 is not from 0 to 16", "Caddyfile:3"}},
		{"keep not a number", "keep all", "", []string{`"all" is not a whole number`, "Caddyfile:3"}},
		{"v6_prefix", "v6_prefix 63", "", []string{"48, 56, 64 or 128", "Caddyfile:3"}},
		{"ranges", "ranges v4 16 33", "", []string{"range length 33 is not from 1 to 32", "Caddyfile:3"}},
		{"ranges of what", "ranges v5 16", "", []string{`ranges "v5" is not one of v4, v6`, "Caddyfile:3"}},
		{"network name", "network Tor! 192.0.2.1", "", []string{`network name "Tor!"`, "Caddyfile:3"}},
		{"network file", "network tor /etc/tor-exits", "", []string{"write a file as {file./etc/tor-exits}", "Caddyfile:3"}},
		{"network range", "network tor 192.0.2.300", "", []string{`"192.0.2.300" is neither an IP address nor a CIDR range`, "Caddyfile:3"}},
		{"network twice", "network tor 192.0.2.1\nnetwork tor 192.0.2.2", "", []string{`network "tor" is given twice`, "Caddyfile:4"}},
		{"mode", "", "client_mask {\nmode hide\n}", []string{`mode "hide" is neither mask nor observe`, "Caddyfile:9"}},
		{"networks", "", "client_mask {\nnetworks all\n}", []string{`networks "all" is none of header, xff and off`, "Caddyfile:9"}},
		{"site v6_prefix", "", "client_mask {\nv6_prefix 32\n}", []string{"48, 56, 64 or 128", "Caddyfile:9"}},
		{"unknown option", "", "client_mask {\ncolour red\n}", []string{`unknown client_mask option "colour"`, "Caddyfile:9"}},
		{"matcher", "", "client_mask /wiki/*", []string{"takes no matcher", "Caddyfile:8"}},
		{"handle_errors first", "", "handle_errors 404 {\nrespond gone\n}\nclient_mask", []string{"handle_errors with status codes stands before client_mask", "Caddyfile:8"}},
		{"nested", "", "handle {\nclient_mask\n}", []string{"client_mask belongs at the top of a site block", "Caddyfile:9"}},
		{"twice", "", "client_mask\nclient_mask", []string{"client_mask is given twice in one site", "Caddyfile:9"}},
		{"original_client_ip", "", "@a original_client_ip 1.2.3\nclient_mask", []string{`"1.2.3" is neither an IP address nor a CIDR range`, "Caddyfile:8"}},
		{"original_client_ip of nothing", "", "@a original_client_ip\nclient_mask", []string{"wrong argument count", "Caddyfile:8"}},
		{"masked with an address", "", "@a masked 192.0.2.1\nclient_mask", []string{`"192.0.2.1" is not a mask`, "Caddyfile:8"}},
		{"log format", "", "log {\nformat masked yaml\n}", []string{"caddy.logging.encoders.yaml", "Caddyfile:9"}},
		{"option twice", "}\nwikiveil {", "", []string{"the wikiveil option is given twice", "Caddyfile:4"}},
		{"option in a site", "", "wikiveil {\n}", []string{"wikiveil is a global option", "Caddyfile:8"}},
		{"log format option", "", "log {\nformat masked {\ncolour red\n}\n}", []string{"colour", "Caddyfile:10"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			caddyfile := "{\nwikiveil {\n" + c.global + "\n}\n}\n\nhttp://{SITE} {\n" + c.site + "\n}\n"
			err := edgetest.Validate(t, caddyfile)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), edgetest.Secret) || strings.Contains(err.Error(), "xxxx") {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
}

// JSON gets the same checks, when it is provisioned.
func TestBadJSONConfigIsRefused(t *testing.T) {
	t.Setenv("EMPTY_SECRET", "")
	for _, c := range []struct{ name, app, handler, want string }{
		{"short secret", `{"secrets":["abcd"]}`, `{}`, "shorter than 32 bytes"},
		{"empty secret", `{"secrets":["{env.EMPTY_SECRET}"]}`, `{}`, "secret 1 is empty"},
		{"keep", `{"keep":-1}`, `{}`, "keep -1 is not from 0 to 16"},
		{"network", `{"networks":[{"name":"tor"}]}`, `{}`, "no ranges"},
		{"ranges", `{"v6_ranges":[0]}`, `{}`, "range length 0"},
		{"mode", `{}`, `{"mode":"x"}`, `mode "x" is neither`},
		{"networks", `{}`, `{"networks":"x"}`, `networks "x" is none`},
		{"v6_prefix", `{}`, `{"v6_prefix":1}`, "48, 56, 64 or 128"},
	} {
		t.Run(c.name, func(t *testing.T) {
			handler := `{"handler":"client_mask",` + strings.TrimPrefix(c.handler, "{")
			handler = strings.Replace(handler, ",}", "}", 1)
			var config caddy.Config
			text := `{"admin":{"disabled":true},"storage":{"module":"file_system","root":"` + t.TempDir() + `"},"apps":{"wikiveil":` + c.app +
				`,"http":{"servers":{"s":{"listen":["127.0.0.1:1"],"routes":[{"handle":[` + handler + `]}]}}}}}`
			if err := json.Unmarshal([]byte(text), &config); err != nil {
				t.Fatal(err)
			}
			if err := edgetest.ValidateConfig(&config); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
