//go:build integration

package integration

import (
	"encoding/json"
	"net"
	"slices"
	"strings"
	"testing"
)

// finding is what `wikiveil doctor --json` tells.
type finding struct{ Check, Level, What, File, Mend string }

// doctor runs it against a scene, and returns its findings. The wiki's name resolves nowhere, so it is asked at its edge's address.
func (s *scene) doctor(t *testing.T, args ...string) (found []finding, fine bool) {
	t.Helper()
	return s.doctorBy(t, s.addr, args...)
}

// doctorBy is doctor, where readers reach the edge by another address.
func (s *scene) doctorBy(t *testing.T, addr string, args ...string) (found []finding, fine bool) {
	t.Helper()
	wikiName := strings.TrimPrefix(s.url, "http://")
	out, err := runCommand(t, "doctor", append([]string{
		"--json", "--address", strings.TrimPrefix(s.admin, "http://"), "--wiki", "http://" + addr + "/api.php", "--wiki-host", wikiName,
	}, args...)...)
	var report struct {
		Fine     bool
		Findings []finding
	}
	if jsonErr := json.Unmarshal([]byte(out), &report); jsonErr != nil {
		t.Fatalf("%v (%v): %s", jsonErr, err, out)
	}
	if report.Fine != (err == nil) {
		t.Errorf("fine is %v, and the error %v", report.Fine, err)
	}
	return report.Findings, report.Fine
}

// wantFinding wants one check to tell one thing.
func wantFinding(t *testing.T, found []finding, check, level, what string) {
	t.Helper()
	if !slices.ContainsFunc(found, func(f finding) bool {
		return f.Check == check && f.Level == level && strings.Contains(f.What+f.Mend, what)
	}) {
		t.Errorf("want %s: %s %q in %q", check, level, what, found)
	}
}

// TestDoctorFindsWideBlocks: it finds the wiki that has neither the companion nor the snippet, is content with either, and leaves
// no block behind.
func TestDoctorFindsWideBlocks(t *testing.T) {
	for _, defence := range []struct{ name, settings, level, blocks string }{
		{"nothing", "", "error", "untold"},
		{"snippet", snippet(t), "ok", "untold"},
		{"companion", companion(t), "ok", "ok"},
	} {
		t.Run(defence.name, func(t *testing.T) {
			forEachRelease(t, func(t *testing.T, f front) {
				s := setScene(t, f, edgeConfig{site: clientMask}, defence.settings)
				found, fine := s.doctor(t)
				if fine != (defence.level == "ok") {
					t.Errorf("fine is %v: %q", fine, found)
				}
				wantFinding(t, found, "wide blocks", defence.level, "hit everybody")
				wantFinding(t, found, "masks", "ok", "")
				wantFinding(t, found, "trusted proxies", "untold", "came from a private address")
				wantFinding(t, found, "clocks", "ok", "the wiki's clock")
				wantFinding(t, found, "login", "ok", "")
				wantFinding(t, found, "network blocks", defence.blocks, "")
				if strings.Contains(strings.ToLower(strings.Join(flat(found), " ")), "198.51.100.77") {
					t.Error("what it forges stands in its findings")
				}
				var blocks struct {
					Query struct{ Blocks []struct{ ID int } }
				}
				s.visit(alice).api(t, &blocks, "action", "query", "list", "blocks")
				if len(blocks.Query.Blocks) != 0 {
					t.Errorf("it left %d blocks behind", len(blocks.Query.Blocks))
				}
			})
		})
	}
}

func flat(found []finding) (texts []string) {
	for _, f := range found {
		texts = append(texts, f.What, f.Mend)
	}
	return texts
}

// TestDoctorTriesNetworkBlocks: where the mask of its own network is blocked, it sees whether the wiki heeds that.
func TestDoctorTriesNetworkBlocks(t *testing.T) {
	for name, settings := range map[string]string{"ok": "", "error": "\n$wgApplyIpBlocksToXff = false;\n"} {
		t.Run(name, func(t *testing.T) {
			forEachRelease(t, func(t *testing.T, f front) {
				s := setScene(t, f, edgeConfig{site: clientMask}, snippet(t)+settings)
				found, _ := s.doctor(t)
				mask := s.maskOfRange(t, "127.0.0.0/24").String()
				wantFinding(t, found, "network blocks", "untold", "which is a network of this machine")
				s.visitAdmin(t, sysop).block(t, mask)
				found, _ = s.doctor(t)
				wantFinding(t, found, "network blocks", name, "")
			})
		})
	}
}

// TestDoctorFindsLostMasks: a wiki that doesn't take the mask, and one that a stranger reaches past the edge.
func TestDoctorFindsLostMasks(t *testing.T) {
	f := fronts[1]
	f.wiki = releases[0]
	s := setScene(t, f, edgeConfig{site: clientMask}, companion(t)+"\n$wgCdnServersNoPurge = [];\n$wgApplyIpBlocksToXff = false;\n")
	found, _ := s.doctor(t)
	wantFinding(t, found, "masks", "error", "$wgCdnServersNoPurge = [ '127.0.0.1' ];")
	wantFinding(t, found, "network blocks", "error", "$wgApplyIpBlocksToXff = true;")
	wantFinding(t, found, "around the edge", "ok", "on this machine alone")

	upstream := s.upstream(t)
	found, _ = s.doctor(t, "--around", upstream)
	wantFinding(t, found, "around the edge", "error", "the wiki answers at "+upstream)
	found, _ = s.doctor(t, "--around", s.addr)
	wantFinding(t, found, "around the edge", "untold", "is the edge itself")
	found, _ = s.doctor(t, "--around", freeAddr(t, "127.0.0.3"))
	wantFinding(t, found, "around the edge", "ok", "nobody answers")
}

// upstream is the address that the edge's config hands requests on to.
func (s *scene) upstream(t *testing.T) string {
	t.Helper()
	config := string(s.adminAnswers(t))
	_, rest, _ := strings.Cut(config, `"dial":"127.0.0.3:`)
	port, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no upstream in %s", config)
	}
	return "127.0.0.3:" + port
}

// TestDoctorFindsWrongTrust: a balancer before the edge that isn't trusted, or is believed whatever it hands on.
func TestDoctorFindsWrongTrust(t *testing.T) {
	w := newWiki(t, releases[0], companion(t))
	for name, c := range map[string]struct{ trusted, level, what string }{
		"not trusted": {"", "error", "isn't trusted: all who come through it have one mask"},
		"believed":    {"trusted_proxies static 127.0.0.4/32", "error", "a client chooses its own mask"},
		"strict":      {"trusted_proxies static 127.0.0.4/32\ntrusted_proxies_strict", "ok", "forged headers change nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			balancer := freeAddr(t, "127.0.0.4")
			_, port, _ := net.SplitHostPort(balancer)
			s := &scene{edge: startEdge(t, fronts[0].config(t, w, edgeConfig{
				global: "servers {\n" + c.trusted + "\n}\n", site: clientMask,
				// It hands on what a client says, and adds its address.
				others: "http://:" + port + " {\nbind 127.0.0.4\nreverse_proxy EDGE {\ntrusted_proxies 127.0.0.1/32\ntransport http {\nlocal_address 127.0.0.4\n}\n}\n}\n",
			})), wiki: w}
			found, _ := s.doctorBy(t, balancer)
			wantFinding(t, found, "trusted proxies", c.level, c.what)
			wantFinding(t, found, "masks", "ok", "")
		})
	}
	s := &scene{edge: startEdge(t, fronts[0].config(t, w, edgeConfig{
		global: "servers {\ntrusted_proxies static 127.0.0.0/24\ntrusted_proxies_strict\n}\n", site: clientMask,
	})), wiki: w}
	found, _ := s.doctor(t)
	wantFinding(t, found, "trusted proxies", "untold", "this machine is one of trusted_proxies")
}

// TestDoctorFindsUnmaskedWikis: a site that has no client_mask, one that only observes, and a wiki that strangers may not read.
func TestDoctorFindsUnmaskedWikis(t *testing.T) {
	for name, c := range map[string]struct {
		config             edgeConfig
		settings           string
		check, level, what string
	}{
		"unmasked":  {edgeConfig{unmasked: true, site: "csp\n"}, "", "masks", "error", "didn't come by a client_mask"},
		"observed":  {edgeConfig{site: "client_mask {\nmode observe\n}\n"}, "", "masks", "warning", "client_mask only observes"},
		"private":   {edgeConfig{site: clientMask}, "\n$wgGroupPermissions['*']['read'] = false;\n", "wiki", "untold", "only who is logged in"},
		"by header": {edgeConfig{site: "client_mask\n"}, "", "network blocks", "warning", "networks xff"},
	} {
		t.Run(name, func(t *testing.T) {
			s := setScene(t, fronts[0], c.config, c.settings)
			found, _ := s.doctor(t)
			wantFinding(t, found, c.check, c.level, c.what)
		})
	}
}

// TestDoctorFindsStoppedLogins: a policy that keeps forms on the wiki, where people log in elsewhere.
func TestDoctorFindsStoppedLogins(t *testing.T) {
	const sso = "\n$wgExtensionCredits['other'][] = [ 'name' => 'PluggableAuth', 'path' => __FILE__ ];\n"
	for name, c := range map[string]struct{ policy, settings, level string }{
		"forms stay":               {"csp {\nallow form-action 'self'\n}\n", sso, "error"},
		"forms lead anywhere":      {"csp\n", sso, "ok"},
		"forms lead there":         {"csp {\nallow form-action https://login.example\n}\n", sso, "ok"},
		"nobody logs in elsewhere": {"csp {\nallow form-action 'self'\n}\n", "", "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			s := setScene(t, fronts[0], edgeConfig{site: clientMask + c.policy}, c.settings)
			found, _ := s.doctor(t)
			wantFinding(t, found, "login", c.level, "")
		})
	}
}
