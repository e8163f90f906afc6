package lookup

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

// auditSite is a site with mask_info whose audit log is node edge-1's unless options say otherwise.
func auditSite(t testing.TB, upstream string, options ...string) string {
	t.Helper()
	if options == nil {
		options = []string{"node edge-1"}
	}
	return strings.Replace(edgetest.MaskSite(t, "", edgetest.MaskUsers, upstream), "data_dir", "audit {\n"+strings.Join(options, "\n")+"\n}\ndata_dir", 1)
}

// runningLog is the running edge's audit log.
func runningLog(t testing.TB) *auditLog {
	t.Helper()
	app, err := edge.RunningApp()
	if err != nil {
		t.Fatal(err)
	}
	log, err := runningAudit(app)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func auditMask(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0, 0x2f, 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)})
}

// full is a disk that can be read and takes nothing any more.
type full struct{ audit.Store }

func (full) Append(uint64, [][]byte, []byte) error { return syscall.ENOSPC }

// fullDisk has the running edge go on with a copy of its log on a full disk.
func fullDisk(t *testing.T) {
	t.Helper()
	log := runningLog(t)
	testutil.Eventually(t, "the first checkpoint", func() bool { // since then nothing but requests uses the log
		log.mu.Lock()
		defer log.mu.Unlock()
		return log.stored != ""
	})
	whole := log.Log
	if err := whole.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "audit.db")
	copyFile(t, log.file, file)
	store, err := audit.OpenBolt(file)
	if err != nil {
		t.Fatal(err)
	}
	if log.Log, err = audit.Open(audit.Config{Store: full{store}, Keys: log.keys, Heads: audit.StorageHeads(log.storage, log.node), Node: log.node}); err != nil {
		t.Fatal(err)
	}
}

// append1 writes an entry.
func append1(t testing.TB, log *audit.Log, performer string, action audit.Action, n int) {
	t.Helper()
	entry := audit.Entry{Performer: performer, Action: action, Masks: []netip.Addr{auditMask(n)}, Reason: "for the test"}
	if _, err := log.Append(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
}

// readPage reads the audit as a program.
func readPage(t *testing.T, e *edgetest.Edge, user, query string, header ...string) (*http.Response, string, auditView) {
	t.Helper()
	h := edgetest.As(user)
	for i := 0; i < len(header); i += 2 {
		h[header[i]] = []string{header[i+1]}
	}
	resp, body := edgetest.PostForm(t, edgetest.From(t, "127.9.9.9"), "http://"+e.Site+"/.privacy/masks/audit", query, h)
	var view auditView
	if resp.StatusCode == 200 && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal([]byte(body), &view); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	}
	return resp, body, view
}

func TestAuditPage(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, auditSite(t, wiki.Address()))
	mask := edgetest.Edit(t, e, wiki, "127.130.7.1")
	hostile := `"><script>alert(1)</script>` + "\u202e" + `&`
	edgetest.AskMasks(t, e, "patroller", mask+"&reason="+url.QueryEscape(hostile), nil)

	resp, _, view := readPage(t, e, "admin", "")
	if resp.StatusCode != 200 || view.Total != 2 || view.Older != 0 || view.Newer != 0 || len(view.Entries) != 2 {
		t.Fatalf("%d %+v", resp.StatusCode, view)
	}
	// That it is read stands in it already.
	if read := view.Entries[0]; read.Sequence != 2 || read.Action != audit.Read || read.Performer != "user:admin" || read.Name != "admin" || len(read.Masks) != 0 {
		t.Errorf("the newest entry is %+v", read)
	}
	if e := view.Entries[1]; e.Sequence != 1 || e.Action != audit.Info || e.Performer != "user:patroller" || e.Reason != hostile ||
		!slices.Equal(e.Masks, []netip.Addr{netip.MustParseAddr(mask)}) || e.Time.IsZero() {
		t.Errorf("the oldest entry is %+v", e)
	}
	if resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", resp.Header.Get("Cache-Control"))
	}

	resp, body, _ := readPage(t, e, "admin", "", "Accept", "text/html,application/xhtml+xml")
	if resp.StatusCode != 200 || !strings.Contains(body, `<td class="reason" data-column="Reason" dir="auto">&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;`+"\u202e&amp;</td>") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	for _, want := range []string{`<td class="short" data-column="Entry">1</td>`, `<bdi>patroller</bdi> <span class="hint" dir="auto">user:patroller</span></td>`, `<code dir="ltr">` + mask + "</code>", `<td class="short" data-column="Action">read the audit log</td>`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if policies := resp.Header.Values("Content-Security-Policy"); strings.Contains(body, "<script") ||
		len(policies) != 1 || !strings.HasPrefix(policies[0], "default-src 'none'; style-src 'self'; form-action 'self'") {
		t.Errorf("a script, or policies %q", policies)
	}
	for method, header := range map[string]http.Header{"HEAD": edgetest.As("admin", "Accept", "text/html"), "GET": edgetest.As("admin", "Accept", "text/html", "Sec-Fetch-Site", "cross-site")} {
		resp, body := edgetest.Send(t, edgetest.From(t, "127.9.9.9"), method, "http://"+e.Site+"/.privacy/masks/audit", header)
		if resp.StatusCode != 200 || strings.Contains(body, mask) || (method == "GET") != strings.Contains(body, "Read the audit log") {
			t.Errorf("%s: %d %q", method, resp.StatusCode, body)
		}
	}
	if n := len(entries(t)); n != 2 {
		t.Errorf("reading twice a day made %d entries", n)
	}
	if got := e.Metric(t, `wikiveil_mask_lookups_total{action="audit",outcome="answered"}`); got != "2" {
		t.Errorf("the metric says %q", got)
	}
}

func TestAuditPageRefusals(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, auditSite(t, wiki.Address()))
	log := runningLog(t)
	append1(t, log.Log, "secretive", audit.Reveal, 77)
	for name, c := range map[string]struct {
		user, query string
		header      []string
		status      int
		want        string
	}{
		"no rights":         {"plain", "", nil, 403, `"reason":"`},
		"the right info":    {"patroller", "", nil, 403, `"reason":"`},
		"loaded ahead":      {"admin", "", []string{"Sec-Purpose", "prefetch"}, 403, "not loaded ahead"},
		"another site":      {"admin", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, "Another site"}, // case 34
		"says nothing":      {"admin", "", []string{"Sec-Fetch-Site", ""}, 403, "Another site"},
		"both ways":         {"admin", "before=3&after=2", nil, 400, "not both"},
		"before":            {"admin", "before=203.0.113.9", nil, 400, "Before is not the number"},
		"negative":          {"admin", "after=-1", nil, 400, "After is not the number"},
		"too large":         {"admin", "after=18446744073709551615", nil, 400, "After is not the number"},
		"action":            {"admin", "action=203.0.113.9", nil, 400, "Unknown action: the actions are [info compare members reveal"},
		"unprintable":       {"admin", "reason=%00", nil, 400, "The reason is not up to"},
		"reason too long":   {"admin", "reason=" + strings.Repeat("x", 1001), nil, 400, "The reason is not up to"},
		"reason's address":  {"admin", "reason=who+was+203.0.113.9", nil, 400, "The reason has an IP address in it"},
		"of another origin": {"admin", "", []string{"Sec-Fetch-Site", "same-site"}, 403, "Another site"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body, _ := readPage(t, e, c.user, c.query, c.header...)
			if resp.StatusCode != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			if strings.Contains(body, "secretive") || strings.Contains(body, "203.0.113.9") {
				t.Errorf("the refusal says %s", body)
			}
		})
	}
	for method, allow := range map[string]string{"GET": "POST", "PUT": "GET, HEAD, POST"} { // programs
		if resp, body := edgetest.Send(t, edgetest.From(t, "127.9.9.9"), method, "http://"+e.Site+"/.privacy/masks/audit", edgetest.As("admin")); resp.StatusCode != 405 || resp.Header.Get("Allow") != allow {
			t.Errorf("%s: %d %s", method, resp.StatusCode, body)
		}
	}
	if resp, _ := edgetest.Send(t, edgetest.From(t, "127.9.9.9"), "GET", "http://"+e.Site+"/.privacy/masks/audit", nil); resp.StatusCode != 401 {
		t.Errorf("nobody: %d", resp.StatusCode)
	}
	if got := entries(t); len(got) != 1 {
		t.Errorf("refusals made entries: %+v", got)
	}

	// Where reading can't be written down, nothing is shown.
	fullDisk(t)
	resp, body, _ := readPage(t, e, "admin", "")
	if resp.StatusCode != 503 || strings.Contains(body, "secretive") || !strings.Contains(body, "try again") {
		t.Errorf("with a full disk: %d %s", resp.StatusCode, body)
	}
	if requests := wiki.Take(); len(requests) != 0 {
		t.Errorf("%d requests reached the app", len(requests))
	}
}

func TestAuditPaging(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, auditSite(t, wiki.Address()))
	log := runningLog(t)
	const written = 249
	for n := 1; n <= written; n++ {
		append1(t, log.Log, fmt.Sprint(n%2), audit.Block, n)
	}
	readPage(t, e, "admin", "") // the last entry: today's reading
	sequences := func(v auditView) (list []uint64) {
		for _, entry := range v.Entries {
			list = append(list, entry.Sequence)
		}
		return list
	}
	down := func(filter string) (all []uint64, sizes []int) {
		query := filter
		for {
			_, body, view := readPage(t, e, "admin", query)
			if view.Entries == nil {
				t.Fatal(body)
			}
			all, sizes = append(all, sequences(view)...), append(sizes, len(view.Entries))
			if view.Older == 0 {
				return all, sizes
			}
			query = fmt.Sprintf("before=%d&%s", view.Older, filter)
		}
	}
	up := func(filter string) (all []uint64, sizes []int) {
		query := "after=0&" + filter
		for {
			_, _, view := readPage(t, e, "admin", query)
			all, sizes = append(sequences(view), all...), append(sizes, len(view.Entries))
			if view.Newer == 0 {
				return all, sizes
			}
			query = fmt.Sprintf("after=%d&%s", view.Newer, filter)
		}
	}
	want := func(keep func(n uint64) bool) (list []uint64) {
		for n := uint64(written + 1); n > 0; n-- {
			if keep(n) {
				list = append(list, n)
			}
		}
		return list
	}
	for filter, c := range map[string]struct {
		keep  func(uint64) bool
		pages []int
	}{
		"":                         {func(uint64) bool { return true }, []int{100, 100, 50}},
		"performer=0":              {func(n uint64) bool { return n <= written && n%2 == 0 }, []int{100, 24}},
		"action=read":              {func(n uint64) bool { return n > written }, []int{1}},
		"action=block&performer=1": {func(n uint64) bool { return n <= written && n%2 == 1 }, []int{100, 25}},
		"action=reveal":            {func(uint64) bool { return false }, []int{0}},
	} {
		if got, sizes := down(filter); !slices.Equal(got, want(c.keep)) || !slices.Equal(sizes, c.pages) {
			t.Errorf("%q downwards: pages of %v: %v", filter, sizes, got)
		}
		if got, sizes := up(filter); !slices.Equal(got, want(c.keep)) || !slices.Equal(sizes[:len(c.pages)], c.pages) {
			t.Errorf("%q upwards: pages of %v: %v", filter, sizes, got)
		}
	}
	for query, c := range map[string]struct{ count, older, newer int }{
		"before=1":                   {0, 0, 0},
		"before=2":                   {1, 0, 1},
		"before=251":                 {100, 151, 0},
		"before=99999":               {100, 151, 0},
		"before=101":                 {100, 0, 100},
		"after=100":                  {100, 101, 200},
		"after=200":                  {50, 201, 0},
		"after=250":                  {0, 251, 0},
		"after=9223372036854775807":  {0, 251, 0},
		"before=9223372036854775807": {100, 151, 0},
	} {
		if _, _, v := readPage(t, e, "admin", query); len(v.Entries) != c.count || int(v.Older) != c.older || int(v.Newer) != c.newer {
			t.Errorf("%s: %d entries, older %d, newer %d", query, len(v.Entries), v.Older, v.Newer)
		}
	}
	_, body, _ := readPage(t, e, "admin", "before=150&action=block&performer=1", "Accept", "text/html")
	for _, link := range []string{`<button name="after" value="149">Newer entries</button>`, `<input type="hidden" name="performer" value="1">`, `<option value="block" selected>`} {
		if !strings.Contains(body, link) {
			t.Errorf("the page lacks %s", link)
		}
	}
}

// One page of a filter reads so many entries and no more; the next one goes on from there.
func TestAuditFilterIsBounded(t *testing.T) {
	store, err := audit.OpenBolt(filepath.Join(t.TempDir(), "audit.db"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := audit.NewKeys(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	heads := audit.StorageHeads(&certmagic.FileStorage{Path: t.TempDir()}, "edge-1")
	log, err := audit.Open(audit.Config{Store: store, Keys: keys, Heads: heads, Node: "edge-1"})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	append1(t, log, "1", audit.Reveal, 1)
	var writers sync.WaitGroup
	for w := range 512 { // who share commits
		writers.Go(func() {
			for n := range maxAuditScan/512 + 1 {
				append1(t, log, "2", audit.Block, w<<8|n)
			}
		})
	}
	writers.Wait()
	append1(t, log, "1", audit.Reveal, 2)

	view, err := readAudit(t.Context(), log, auditQuery{action: audit.Reveal})
	if err != nil || len(view.Entries) != 1 || view.Older == 0 || view.Older > view.Total-maxAuditScan+1 {
		t.Fatalf("%+v, %v", view, err)
	}
	view, err = readAudit(t.Context(), log, auditQuery{action: audit.Reveal, before: view.Older})
	if err != nil || len(view.Entries) != 1 || view.Entries[0].Sequence != 1 || view.Older != 0 {
		t.Errorf("%+v, %v", view, err)
	}
	view, err = readAudit(t.Context(), log, auditQuery{action: audit.Reveal, upwards: true, after: 1})
	if err != nil || len(view.Entries) != 0 || view.Newer != maxAuditScan+1 {
		t.Errorf("upwards: %+v, %v", view, err)
	}
}
