package lookup

import (
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// Case 33: whoever acts through the admin API is kept under a name that no user has, and never under an address.
func TestCase33WhoActsThroughTheAdminAPI(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, auditSite(t, wiki.Address()))
	mask := edgetest.Edit(t, e, wiki, "127.130.7.1")
	for _, by := range []string{"203.0.113.99", "root@203.0.113.99", "2001:db8::9", "[2001:db8::9]:443", "::ffff:203.0.113.99"} {
		for path, body := range map[string]any{
			"/wikiveil/blocks":        edgetest.JSON{"mask": mask, "by": by},
			"/wikiveil/blocks/remove": edgetest.JSON{"mask": mask, "by": by},
			"/wikiveil/tools/disable": edgetest.JSON{"tool": "maps", "by": by},
			"/wikiveil/tools/enable":  edgetest.JSON{"tool": "maps", "by": by},
			"/wikiveil/csp/rollout":   map[string]string{"rollout": "report", "by": by},
		} {
			if status, answer := e.Post(t, path, body); status != 400 || !strings.Contains(answer, "by has an IP address in it") || strings.Contains(answer, "203.0.113") || strings.Contains(answer, "2001:db8") {
				t.Errorf("%s by %s: %d %s", path, by, status, answer)
			}
		}
	}
	if status, answer := e.Post(t, "/wikiveil/tools/disable", edgetest.JSON{"tool": "maps", "why": "asked by 203.0.113.99"}); status != 400 || !strings.Contains(answer, "the reason has an IP address in it") {
		t.Errorf("an address in why: %d %s", status, answer)
	}
	for _, by := range []string{"1", "wiki:1", "user:admin", "admin:root"} {
		if status, answer := e.Post(t, "/wikiveil/blocks", edgetest.JSON{"mask": mask, "by": by}); status != 200 || !strings.Contains(answer, `"by":"admin:`+by+`"`) {
			t.Errorf("by %s: %d %s", by, status, answer)
		}
	}
	edgetest.AskMasks(t, e, "admin", mask, nil)
	var performers []string
	for _, entry := range entries(t) {
		performers = append(performers, entry.Performer)
	}
	if got, want := strings.Join(performers, " "), "admin:1 admin:wiki:1 admin:user:admin admin:admin:root user:admin"; got != want {
		t.Errorf("the audit has the performers %q, want %q", got, want)
	}
}
