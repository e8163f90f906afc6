//go:build integration

package integration

import (
	"bytes"
	"database/sql"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/publish/wikiname"
)

// commandProcess has this test binary be `wikiveil`, with the arguments that follow.
const commandProcess = "WIKIVEIL_TEST_COMMAND"

//go:embed testdata/seed-anonymous.php
var seedAnonymous string

// oldWiki is a wiki with anonymous edits, pages and blocks from before an edge was put in front of it.
type oldWiki struct {
	*scene
	mariaDB   *mariaDB // nil: SQLite
	db        *sql.DB
	dsn       string
	tables    []string
	config    string // of the edge, for commands
	addresses []string
}

// oldBlocks are targets of blocks, with when they end.
var oldBlocks = map[string]string{"127.51.0.1": "infinity", "127.52.0.0/16": "3 months", "2001:DB8:5:0:0:0:0:0/48": "infinity", "127.53.4.0/22": "infinity",
	"2001:DB8:7:7:0:0:0:1": "1 month", "2001:DB8:7:7:0:0:0:2": "infinity"}

func newOldWiki(t *testing.T, version string) *oldWiki {
	o := &oldWiki{}
	for i := range 12 {
		o.addresses = append(o.addresses, fmt.Sprintf("127.51.0.%d", i+1), fmt.Sprintf("2001:DB8:6:%X:0:0:0:1", i))
	}
	o.addresses = append(o.addresses, "2001:DB8:6:3:0:0:0:2", "2001:DB8:6:3:0:0:0:3", "2001:DB8:6:3:AB:0:0:3") // one /64 with another
	f, settings := fronts[0], ""
	for _, r := range releases {
		if r.version == version {
			f.wiki = r
			break
		}
	}
	driver, source := "sqlite", ""
	if version == "1.43" {
		m := startMariaDB(t)
		driver, source = "mysql", "root@unix("+m.socket+")/wiki"
		o.dsn, o.mariaDB = source, m
		installMariaDBWiki(t, m)
		settings = fmt.Sprintf("\n$wgDBtype = 'mysql'; $wgDBserver = 'localhost:%s'; $wgDBname = 'wiki'; $wgDBuser = 'root'; $wgDBpassword = '';\n", m.socket)
	}
	o.scene = setScene(t, f, edgeConfig{site: clientMask}, settings+"$wgSearchType = 'SearchEngineDummy';\n")
	if version == "1.39" {
		source = filepath.Join(o.wiki.data(), "wiki.sqlite")
		o.dsn = "sqlite:" + source
	}
	o.seed(t)
	var err error
	if o.db, err = sql.Open(driver, source); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.db.Close() })
	o.db.SetMaxOpenConns(1)
	list := "SHOW TABLES"
	if driver == "sqlite" {
		list = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'searchindex%' AND name NOT LIKE 'sqlite_%'"
		o.exec(t, "PRAGMA busy_timeout = 60000")
	}
	for _, r := range o.rows(t, list) {
		if name := strings.Trim(r, "|"); name != "objectcache" && name != "l10n_cache" && name != "searchindex" {
			o.tables = append(o.tables, name)
		}
	}
	o.config = filepath.Join(t.TempDir(), "config.json")
	config, _ := json.Marshal(map[string]any{"storage": map[string]string{"module": "file_system", "root": o.edge.dir + "/storage"}})
	if err := os.WriteFile(o.config, config, 0o600); err != nil {
		t.Fatal(err)
	}
	return o
}

func installMariaDBWiki(t *testing.T, m *mariaDB) {
	t.Helper()
	code, err := mediaWikiCode("1.43")
	if err != nil {
		t.Fatal(err)
	}
	w := &wiki{dir: t.TempDir(), code: code}
	if err := w.php(filepath.Join(code, "maintenance/install.php"), "--dbtype", "mysql", "--dbserver", "localhost:"+m.socket, "--dbname", "wiki", "--dbuser", "root",
		"--pass", adminPassword, "--scriptpath", "", "--server", "http://"+wikiHost, "--confpath", w.dir, "Veiled", adminName); err != nil {
		t.Fatal(err)
	}
}

func (o *oldWiki) seed(t *testing.T) {
	t.Helper()
	script := filepath.Join(o.wiki.dir, "seed.php")
	if err := os.WriteFile(script, []byte(seedAnonymous), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{"SEED_ADDRESSES": o.addresses, "SEED_BLOCKS": oldBlocks} {
		text, _ := json.Marshal(value)
		t.Setenv(name, string(text))
	}
	t.Setenv("MW_INSTALL_PATH", o.wiki.code)
	if err := o.wiki.php(script); err != nil {
		t.Fatal(err)
	}
	if err := o.wiki.php(filepath.Join(o.wiki.code, "maintenance/runJobs.php")); err != nil {
		t.Fatal(err)
	}
}

func (o *oldWiki) exec(t *testing.T, query string) {
	t.Helper()
	if _, err := o.db.Exec(query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// rows returns the rows that a query finds, each as its values with | behind each.
func (o *oldWiki) rows(t *testing.T, query string) []string {
	t.Helper()
	rows, err := o.db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	var all []string
	for rows.Next() {
		values, to := make([][]byte, len(columns)), make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		all = append(all, string(bytes.Join(values, []byte("|")))+"|")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// all returns the rows of all tables, sorted, but of caches.
func (o *oldWiki) all(t *testing.T) string {
	var all strings.Builder
	for _, table := range o.tables {
		rows := o.rows(t, "SELECT * FROM `"+table+"`")
		slices.Sort(rows)
		for _, r := range rows {
			fmt.Fprintf(&all, "%s: %s\n", table, r)
		}
	}
	return all.String()
}

// save keeps the tables in another database; restore brings them back.
func (o *oldWiki) save(t *testing.T) {
	create := "CREATE DATABASE saved"
	if path, ok := strings.CutPrefix(o.dsn, "sqlite:"); ok {
		create = "ATTACH DATABASE '" + path + ".saved' AS saved"
	}
	o.exec(t, create)
	for _, table := range o.tables {
		o.exec(t, "CREATE TABLE saved.`"+table+"` AS SELECT * FROM `"+table+"`")
	}
}

func (o *oldWiki) restore(t *testing.T) {
	for _, table := range o.tables {
		o.exec(t, "DELETE FROM `"+table+"`")
		o.exec(t, "INSERT INTO `"+table+"` SELECT * FROM saved.`"+table+"`")
	}
}

// registered returns all rows that are of accounts, or in no way of users.
func (o *oldWiki) registered(t *testing.T) string {
	var all []string
	for _, query := range []string{"SELECT * FROM `user`", "SELECT * FROM user_groups", "SELECT * FROM user_properties", "SELECT actor_id, actor_user, actor_name FROM actor WHERE actor_user IS NOT NULL", "SELECT * FROM text",
		"SELECT * FROM comment", "SELECT * FROM content", "SELECT * FROM slots", "SELECT * FROM revision WHERE rev_actor IN (SELECT actor_id FROM actor WHERE actor_user IS NOT NULL)",
		"SELECT * FROM recentchanges WHERE rc_namespace NOT IN (2, 3) AND rc_log_type IS NULL AND rc_actor IN (SELECT actor_id FROM actor WHERE actor_user IS NOT NULL)"} {
		all = append(all, o.rows(t, query)...)
	}
	return strings.Join(all, "\n")
}

// backfill is the command, in a process of its own.
func (o *oldWiki) backfill(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", append([]string{"backfill", "--dsn", o.dsn, "--config", o.config, "--state", filepath.Join(filepath.Dir(o.config), "state")}, args...)...)
	cmd.Env = append(os.Environ(), commandProcess+"=1")
	return cmd
}

// status is what `wikiveil migrate status` says of the wiki. It prints no address, and exits with 1, as no site masks in the commands' config.
func (o *oldWiki) status(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "migrate", "status", "--dsn", o.dsn, "--config", o.config)
	cmd.Env = append(os.Environ(), commandProcess+"=1")
	out, err := cmd.Output()
	if cmd.ProcessState.ExitCode() != 1 || strings.Contains(string(out), "127.51.") || strings.Contains(string(out), "2001:DB8") {
		t.Fatalf("wikiveil migrate status: %v\n%s", err, out)
	}
	return string(out)
}

// wantBlockList wants the database to have the blocks that the wiki's API lists.
func (o *oldWiki) wantBlockList(t *testing.T) {
	t.Helper()
	// One of the blocks is of a page and a namespace alone.
	if o.dsn[:7] == "sqlite:" {
		o.exec(t, "UPDATE ipblocks SET ipb_sitewide = 0 WHERE ipb_address = '2001:DB8:5:0:0:0:0:0/48'")
		o.exec(t, "INSERT INTO ipblocks_restrictions SELECT ipb_id, 1, (SELECT MIN(page_id) FROM page WHERE page_namespace = 3) FROM ipblocks WHERE ipb_address = '2001:DB8:5:0:0:0:0:0/48'")
		o.exec(t, "INSERT INTO ipblocks_restrictions SELECT ipb_id, 2, 4 FROM ipblocks WHERE ipb_address = '2001:DB8:5:0:0:0:0:0/48'")
	} else {
		const id = "SELECT bl_id FROM block JOIN block_target ON bt_id = bl_target WHERE bt_address = '2001:DB8:5:0:0:0:0:0/48'"
		o.exec(t, "INSERT INTO ipblocks_restrictions VALUES (("+id+"), 1, (SELECT MIN(page_id) FROM page WHERE page_namespace = 3)), (("+id+"), 2, 4)")
		o.exec(t, "UPDATE block SET bl_sitewide = 0 WHERE bl_target = (SELECT bt_id FROM block_target WHERE bt_address = '2001:DB8:5:0:0:0:0:0/48')")
	}
	list := filepath.Join(t.TempDir(), "blocks.json")
	api := o.visit(alice).page(t, "/api.php?action=query&list=blocks&bkprop=user|expiry|reason|flags|restrictions&bklimit=max&format=json&formatversion=2")
	if err := os.WriteFile(list, []byte(api), 0o600); err != nil {
		t.Fatal(err)
	}
	var lists []string
	for _, from := range []string{list, o.dsn} {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "blocks", "import", "--from", from, "--config", o.config)
		cmd.Env = append(os.Environ(), commandProcess+"=1")
		var problems bytes.Buffer
		cmd.Stderr = &problems
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("--from %s: %v\n%s", from, err, problems.Bytes())
		}
		lines := strings.Split(string(out), "\n")
		slices.Sort(lines)
		lists = append(lists, strings.Join(lines, "\n"))
	}
	if lists[0] != lists[1] || strings.Count(lists[0], "action=block") < 5 || !strings.Contains(lists[0], "namespacerestrictions=%1F4&") || !strings.Contains(lists[0], "pagerestrictions=%1FUser+talk%3A") {
		t.Errorf("the API lists\n%s\nand the database\n%s", lists[0], lists[1])
	}
}

// wantBlocksMade imports the blocks from the database into the wiki, twice, and wants them to stop their clients.
func (o *oldWiki) wantBlocksMade(t *testing.T) {
	t.Helper()
	if err := o.wiki.php(filepath.Join(o.wiki.code, "maintenance/createBotPassword.php"), "--appid", "import", "--grants", "basic,blockusers", adminName, botPassword); err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", o.edge.addr, strings.TrimPrefix(o.edge.url, "http://")
	}})
	defer api.Close()
	client := o.visit("127.52.7.7") // its /16 is blocked
	wantSaved(t, "before", client)
	for _, want := range []string{"8 blocks of masks, 1 entries left, 0 of accounts, which hold as they are; 8 were made", "; 0 were made"} {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "blocks", "import", "--from", o.dsn, "--to", api.URL+"/api.php", "--apply", "--config", o.config)
		cmd.Env = append(os.Environ(), commandProcess+"=1", "WIKIVEIL_BOT="+adminName+"@import", "WIKIVEIL_BOT_PASSWORD="+botPassword)
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("blocks import --apply: %v\n%s", err, out)
		}
	}
	wantRefused(t, "its range's old block imported", "blocked", client)
	wantSaved(t, "another range", o.visit("127.54.7.7"))
}

func (o *oldWiki) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := o.backfill(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("wikiveil backfill %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// killed runs the command and kills it as soon as it has changed something more.
func (o *oldWiki) killed(t *testing.T, args ...string) {
	t.Helper()
	before := o.progress(t)
	cmd := o.backfill(t, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	testutil.Eventually(t, "a change", func() bool { return o.progress(t) != before })
}

// killDatabase kills the database while the command changes it, and starts it again.
func (o *oldWiki) killDatabase(t *testing.T) {
	t.Helper()
	// MariaDB can't recover a new system tablespace that was never written out.
	o.mariaDB.stop(t, syscall.SIGTERM)
	o.mariaDB.start(t)
	before := o.progress(t)
	cmd := o.backfill(t, "--rename", "--apply", "--batch", "2", "--rate", "20")
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "a change", func() bool { return o.progress(t) != before })
	o.mariaDB.stop(t, syscall.SIGKILL)
	if err := cmd.Wait(); err == nil || !strings.Contains(said.String(), "after which the same command goes on") || strings.Contains(said.String(), "127.51.") {
		t.Errorf("the database was killed: %v\n%s", err, said.Bytes())
	}
	o.mariaDB.start(t)
}

// progress is different after each change.
func (o *oldWiki) progress(t *testing.T) string {
	var counts []string
	for _, column := range []string{"actor.actor_name", "recentchanges.rc_title", "logging.log_title", "page.page_title", "linktarget.lt_title", "watchlist.wl_title", "logging.log_params", "archive.ar_title"} {
		table, name, _ := strings.Cut(column, ".")
		counts = append(counts, o.rows(t, "SELECT COUNT(*) FROM `"+table+"` WHERE "+name+" LIKE '%2001:2F:%'")...)
	}
	counts = append(counts, o.rows(t, "SELECT COUNT(*) FROM actor")...)
	return strings.Join(append(counts, o.rows(t, "SELECT COUNT(*) FROM ip_changes WHERE ipc_hex LIKE 'v6-2001002F%'")...), " ")
}

// maskNames returns, by names of before, the masks that the edge gives them now, in MediaWiki's spelling.
func (o *oldWiki) maskNames(t *testing.T) map[string]string {
	masker := o.masker(t)
	masks := map[string]string{}
	for _, address := range o.addresses {
		mask, err := masker.Client(netip.MustParseAddr(address))
		if err != nil {
			t.Fatal(err)
		}
		masks[address] = wikiname.Spell(mask)
	}
	return masks
}

// Issue 15: old data get the masks that the edge gives now, however often the job is killed.
func TestBackfill(t *testing.T) {
	for _, version := range []string{"1.39", "1.43"} {
		t.Run(version, func(t *testing.T) {
			o := newOldWiki(t, version)
			o.wantColumn(t)
			o.exec(t, `INSERT INTO bot_passwords (bp_user, bp_app_id, bp_password, bp_token, bp_restrictions, bp_grants) VALUES
				(1, 'bound', '', '', '{"IPAddresses":["127.51.0.0/16"]}', '[]'), (1, 'free', '', '', '{"IPAddresses":["0.0.0.0/0","::/0"]}', '[]')`)
			if out := o.status(t); !strings.Contains(out, "warning  blocks: 6 old blocks") || !strings.Contains(out, "actor.actor_name ") || !strings.Contains(out, "backfill --config "+o.config+" --dsn env --rename --apply") ||
				!strings.Contains(out, `alone, which the wiki doesn't see any more: ["bound"]`) {
				t.Errorf("before:\n%s", out)
			}
			o.wantBlockList(t)
			before, registered := o.all(t), o.registered(t)
			o.save(t)
			if out := o.run(t, "--rename"); !strings.Contains(out, "nothing was changed") || o.all(t) != before {
				t.Fatalf("without --apply: %s", out)
			}
			t.Logf("at once:\n%s", o.run(t, "--rename", "--apply"))
			atOnce := o.all(t)
			o.restore(t)
			if restored := o.all(t); restored != before {
				t.Fatalf("the test doesn't restore:\n%s", firstDifference(before, restored))
			}
			for range 20 {
				o.killed(t, "--rename", "--apply", "--batch", "2", "--rate", "20")
			}
			if o.mariaDB != nil {
				o.killDatabase(t)
			}
			t.Logf("after 20 kills:\n%s", o.run(t, "--rename", "--apply"))
			if after := o.all(t); after != atOnce {
				t.Errorf("after kills it is another:\n%s", firstDifference(atOnce, after))
			}
			if got := o.registered(t); got != registered {
				t.Errorf("accounts changed:\n%s", firstDifference(registered, got))
			}
			o.wantMasked(t)
			if out := o.status(t); !strings.Contains(out, "ok       blocks: ") || !strings.Contains(out, "ok       tables: ") {
				t.Errorf("at last:\n%s", out)
			}
			o.restore(t)
			o.wantBlocksMade(t)
		})
	}
}

func firstDifference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return as[i] + "\n" + bs[i]
		}
	}
	return fmt.Sprintf("%d and %d lines", len(as), len(bs))
}

// wantColumn wants the column to have each address's mask, and nothing else changed.
func (o *oldWiki) wantColumn(t *testing.T) {
	t.Helper()
	if out, err := o.backfill(t, "--apply").CombinedOutput(); err == nil || !strings.Contains(string(out), "--add-column adds it") {
		t.Errorf("without the column: %v\n%s", err, out)
	}
	out := o.run(t, "--add-column", "--apply")
	masks, sharing := o.maskNames(t), 0
	for address, want := range masks {
		rows := o.rows(t, "SELECT COALESCE(actor_mask, 'none') FROM actor WHERE actor_name = '"+address+"'")
		if len(rows) == 1 && rows[0] == "none|" {
			sharing++
		} else if len(rows) != 1 || rows[0] != want+"|" {
			t.Errorf("%s has the masks %v, want %s", address, rows, want)
		}
	}
	if sharing != 3 || !strings.Contains(out, "note\t3 rows of actor have no mask") {
		t.Errorf("%d addresses share another's mask, want 3:\n%s", sharing, out)
	}
	if rows := o.rows(t, "SELECT actor_name FROM actor WHERE actor_user IS NOT NULL AND actor_mask IS NOT NULL"); len(rows) > 0 {
		t.Errorf("accounts have masks: %v", rows)
	}
}

// wantMasked wants no address to be left, and the clients to be who they were.
func (o *oldWiki) wantMasked(t *testing.T) {
	t.Helper()
	all := o.all(t)
	masks := o.maskNames(t)
	for _, line := range strings.Split(all, "\n") {
		table, _, _ := strings.Cut(line, ":")
		for _, address := range append(slices.Clone(o.addresses), "127.52.0.0", "127.53.4.0", "2001:DB8:5:0") {
			isText := table == "text" || table == "comment" || table == "job"
			parsed, _ := wikiname.Parse(address)
			if !isText && (strings.Contains(line, address+"|") || strings.Contains(line, address+"/") || parsed.IsValid() && strings.Contains(line, wikiname.Hex(parsed))) {
				t.Errorf("%s is left: %s", address, line)
			}
		}
	}
	// Who edits now is the actor of before.
	address := "127.51.0.7"
	v := o.visit(address)
	v.edit(t, "New page", "From an old client.")
	actors := o.rows(t, "SELECT COUNT(*) FROM revision JOIN actor ON actor_id = rev_actor WHERE actor_name = '"+masks[address]+"'")
	if len(actors) != 1 || actors[0] != "3|" {
		t.Errorf("the client of before and now has %v edits, want 3", actors)
	}
	talk := o.visitAdmin(t, "127.61.0.1").page(t, "/index.php?title=User_talk:"+masks[address])
	if !strings.Contains(talk, "A warning, number 12.") {
		t.Error("the talk page isn't under the mask's name")
	}
	// Blocks of before hold: a single address, and a range that the edge gives masks of; others don't.
	for address, want := range map[string]bool{"127.51.0.1": true, "127.52.9.9": true, "127.51.0.2": false} {
		if err := o.visit(address).edit(t, "Blocked?", uniqueText()); (strings.Contains(err, "blocked")) != want {
			t.Errorf("%s edits: %q, blocked: want %v", address, err, want)
		}
	}
}
