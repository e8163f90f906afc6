package backfill

import (
	"database/sql"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/publish/wikiname"
)

func newMasker(t testing.TB) *masking.Masker {
	t.Helper()
	m, err := masking.NewMasker([]byte(strings.Repeat("k", masking.MinSecretSize)), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// minimal is as much of MediaWiki 1.39's schema as the job asks for.
const minimal = `CREATE TABLE actor (actor_id INTEGER PRIMARY KEY, actor_user INTEGER, actor_name BLOB NOT NULL UNIQUE);
CREATE TABLE user (user_id INTEGER PRIMARY KEY, user_name BLOB);
CREATE TABLE revision (rev_id INTEGER PRIMARY KEY, rev_actor INTEGER);
CREATE TABLE page (page_id INTEGER PRIMARY KEY, page_namespace INTEGER, page_title BLOB, UNIQUE (page_namespace, page_title));
CREATE TABLE logging (log_id INTEGER PRIMARY KEY, log_actor INTEGER, log_namespace INTEGER, log_title BLOB, log_params BLOB);
CREATE TABLE recentchanges (rc_id INTEGER PRIMARY KEY, rc_actor INTEGER, rc_namespace INTEGER, rc_title BLOB, rc_ip BLOB);
CREATE TABLE ip_changes (ipc_rev_id INTEGER PRIMARY KEY, ipc_hex BLOB);
CREATE TABLE linktarget (lt_id INTEGER PRIMARY KEY, lt_namespace INTEGER, lt_title BLOB, UNIQUE (lt_namespace, lt_title));
CREATE TABLE ipblocks (ipb_id INTEGER PRIMARY KEY, ipb_address BLOB, ipb_user INTEGER, ipb_auto INTEGER, ipb_expiry BLOB, ipb_range_start BLOB, ipb_range_end BLOB, UNIQUE (ipb_address, ipb_user, ipb_auto));
INSERT INTO actor VALUES (1, 1, 'Admin'), (2, NULL, '203.0.113.9'), (3, NULL, '2001:DB8:0:0:0:0:0:1'), (4, NULL, '2001:DB8:0:0:0:0:0:2'), (5, NULL, '192.0.2.xxx'), (6, 2, '203.0.113.10');
INSERT INTO user VALUES (1, 'Admin'), (2, '203.0.113.10');
INSERT INTO revision VALUES (1, 1), (2, 2), (3, 3), (4, 4);
INSERT INTO page VALUES (1, 3, '2001:DB8:0:0:0:0:0:1'), (2, 3, '2001:DB8:0:0:0:0:0:2'), (3, 0, '203.0.113.9'), (4, 2, '203.0.113.10');
INSERT INTO ipblocks VALUES (1, '2001:DB8:0:0:0:0:0:1', 0, 0, '20270101000000', '', ''), (2, '2001:DB8:0:0:0:0:0:2', 0, 0, 'infinity', '', '');`

// newDatabase makes a database, with more statements behind the minimal ones.
func newDatabase(t *testing.T, more string) (*Database, *sql.DB) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wiki #1.sqlite")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the tables are read when it is opened
		d, err := Open(t.Context(), "sqlite:"+path, "")
		if err != nil {
			t.Fatal(err)
		}
		if len(d.tables) > 0 {
			t.Cleanup(func() { d.Close() })
			return d, d.db
		}
		if _, err := d.db.Exec(minimal + more); err != nil {
			t.Fatal(err)
		}
		d.Close()
	}
	t.Fatal("no tables")
	return nil, nil
}

func value(t *testing.T, db *sql.DB, query string) (text string) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&text); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return text
}

func TestRenameMerges(t *testing.T) {
	d, db := newDatabase(t, "")
	m := newMasker(t)
	job := Job{Database: d, Masker: m, Rename: true, Apply: true}
	report, err := job.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mask, _ := m.Client(netip.MustParseAddr("2001:db8::1"))
	six := wikiname.Spell(mask)
	for query, want := range map[string]string{
		"SELECT group_concat(rev_actor) FROM revision":                           "1,2,3,3",
		"SELECT actor_name FROM actor WHERE actor_id = 3":                        six,
		"SELECT COUNT(*) FROM actor":                                             "5",
		"SELECT actor_name FROM actor WHERE actor_id = 5":                        "192.0.2.xxx",
		"SELECT actor_name FROM actor WHERE actor_id = 6":                        "203.0.113.10", // an account's
		"SELECT page_title FROM page WHERE page_id = 1":                          six,
		"SELECT page_title FROM page WHERE page_id = 2":                          six + "/2",
		"SELECT page_title FROM page WHERE page_id = 3":                          "203.0.113.9", // no user's page
		"SELECT page_title FROM page WHERE page_id = 4":                          "203.0.113.10",
		"SELECT group_concat(ipb_id || ipb_address || ipb_expiry) FROM ipblocks": "2" + six + "infinity",
	} {
		if got := value(t, db, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if report.Odd != 1 || report.Merged != 2 {
		t.Errorf("the report: %+v", report)
	}
}

func TestBadInput(t *testing.T) {
	if _, err := Open(t.Context(), "wiki:secretpassword@nowhere", ""); err == nil || strings.Contains(err.Error(), "secretpassword") || !strings.Contains(err.Error(), "the DSN is neither") {
		t.Errorf("a bad DSN: %v", err)
	}
	if _, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "none"), ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such file: %v", err)
	}
	for name, c := range map[string]struct{ more, want string }{
		"of 1.31":           {"ALTER TABLE revision ADD COLUMN rev_user_text BLOB;", "older way"},
		"a missing table":   {"DROP TABLE linktarget;", "linktarget.lt_id is missing"},
		"a missing column":  {"ALTER TABLE revision DROP COLUMN rev_actor;", "revision.rev_actor is missing"},
		"no blocks":         {"DROP TABLE ipblocks;", "neither ipblocks nor block_target"},
		"an unknown column": {"ALTER TABLE recentchanges ADD COLUMN rc_client_ip BLOB;", "recentchanges.rc_client_ip, which may hold addresses"},
	} {
		d, db := newDatabase(t, c.more)
		job := Job{Database: d, Masker: newMasker(t), Rename: true, Apply: true}
		if _, err := job.Run(t.Context()); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if got := value(t, db, "SELECT actor_name FROM actor WHERE actor_id = 2"); got != "203.0.113.9" {
			t.Errorf("%s: it changed a name to %s", name, got)
		}
	}
	d, db := newDatabase(t, "")
	job := Job{Database: d, Masker: newMasker(t), Apply: true}
	if _, err := job.Run(t.Context()); !errors.Is(err, ErrNoColumn) {
		t.Errorf("without the column: %v", err)
	}
	file := filepath.Join(t.TempDir(), "state")
	job = Job{Database: d, Masker: newMasker(t), Rename: true, Apply: true, State: filepath.Join(file, "none")}
	if _, err := job.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "writing the state") && !strings.Contains(err.Error(), "reading the state") {
		t.Errorf("a state that can't be written: %v", err)
	}
	for text, want := range map[string]string{`{"job":"another"}`: "of another job", "{": "reading the state"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		job.State = file
		if _, err := job.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the state %s: %v, want %q", text, err, want)
		}
	}
	if got := value(t, db, "SELECT actor_name FROM actor WHERE actor_id = 2"); got != "203.0.113.9" {
		t.Errorf("it changed a name to %s", got)
	}
}

// A database that goes away in the middle leaves a job that goes on.
func TestFailingDatabase(t *testing.T) {
	d, db := newDatabase(t, "CREATE TRIGGER full BEFORE UPDATE ON page BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END;")
	state := filepath.Join(t.TempDir(), "state")
	job := Job{Database: d, Masker: newMasker(t), Rename: true, Apply: true, State: state, Batch: 1}
	if _, err := job.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "page.page_title") || !strings.Contains(err.Error(), "the same command goes on") || strings.Contains(err.Error(), "2001:DB8") {
		t.Fatalf("a full disk: %v", err)
	}
	if _, err := db.Exec("DROP TRIGGER full"); err != nil {
		t.Fatal(err)
	}
	again := Job{Database: d, Masker: newMasker(t), Rename: true, Apply: true, State: state}
	if _, err := again.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := value(t, db, "SELECT group_concat(rev_actor) FROM revision"); got != "1,2,3,3" {
		t.Errorf("revisions are of %s", got)
	}
	if _, err := os.Stat(state); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state is left: %v", err)
	}
}

func FuzzParams(f *testing.F) {
	f.Add(`a:2:{s:9:"4::target";s:22:"User talk:203.0.113.9/a";s:10:"5::noredir";s:1:"0";}`)
	f.Add("203.0.113.9\n2001:DB8:0:0:0:0:0:1")
	f.Add(`a:1:{i:0;s:11:"203.0.113.9";}`)
	n := names{masker: newMasker(f)}
	f.Fuzz(func(t *testing.T, text string) {
		masked, ok := n.params(text)
		if !ok {
			return
		}
		if again, more := n.params(masked); more {
			t.Errorf("%q becomes %q, and that %q", text, masked, again)
		}
	})
}

func TestParams(t *testing.T) {
	n := names{masker: newMasker(t)}
	nine, _ := n.name("203.0.113.9")
	for text, want := range map[string]string{
		`a:2:{s:9:"4::target";s:21:"User talk:203.0.113.9";s:4:"x::y";b:1;}`: "", // 21 bytes
		`a:1:{s:9:"4::target";s:99:"203.0.113.9";}`:                          "", // cut short
		`a:1:{s:4:"text";s:19:"edit by 203.0.113.9";}`:                       "",
		"203.0.113.9\n1": nine + "\n1",
	} {
		got, ok := n.params(text)
		if strings.HasPrefix(text, "a:2") {
			want = strings.Replace(text, `s:21:"User talk:203.0.113.9"`, `s:`+strconv.Itoa(len("User talk:"+nine))+`:"User talk:`+nine+`"`, 1)
		}
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q becomes %q, %v, want %q", text, got, ok, want)
		}
	}
}

// CheckUser 1.43 keeps addresses of who tried to log in, who has no actor, and of all wikis' edits.
func TestCheckUser(t *testing.T) {
	d, db := newDatabase(t, `CREATE TABLE cu_private_event (cupe_id INTEGER PRIMARY KEY, cupe_actor INTEGER DEFAULT 0, cupe_namespace INTEGER, cupe_title BLOB, cupe_params BLOB,
			cupe_ip BLOB, cupe_ip_hex BLOB, cupe_xff BLOB, cupe_xff_hex BLOB);
		CREATE TABLE cuci_temp_edit (cite_ip_hex BLOB NOT NULL, cite_ciwm_id INTEGER NOT NULL, cite_timestamp BLOB, PRIMARY KEY (cite_ip_hex, cite_ciwm_id));
		INSERT INTO cu_private_event VALUES (1, 1, 2, 'Admin', '', '203.0.113.9', 'CB007109', '', NULL), (2, 0, 2, 'Admin', '', '203.0.113.9', 'CB007109', '', NULL),
			(3, NULL, 2, 'Admin', '', '203.0.113.9', 'CB007109', '', NULL), (4, 2, 2, 'Admin', '', '203.0.113.9', 'CB007109', '', NULL);
		INSERT INTO cuci_temp_edit VALUES ('v6-20010DB8000000000000000000000001', 1, ''), ('v6-20010DB8000000000000000000000002', 1, ''), ('CB007109', 2, '');`)
	m := newMasker(t)
	job := Job{Database: d, Masker: m, Rename: true, Apply: true, Batch: 1}
	if _, err := job.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	four, _ := m.Client(netip.MustParseAddr("203.0.113.9"))
	six, _ := m.Client(netip.MustParseAddr("2001:db8::1"))
	for query, want := range map[string]string{
		"SELECT group_concat(cupe_id) FROM cu_private_event WHERE cupe_ip_hex = '" + wikiname.Hex(four) + "' AND cupe_ip = '" + four.String() + "'": "2,3,4",
		"SELECT cupe_ip || cupe_ip_hex FROM cu_private_event WHERE cupe_id = 1":                                                                     "203.0.113.9CB007109", // an account's
		"SELECT group_concat(cite_ciwm_id) FROM cuci_temp_edit WHERE cite_ip_hex = '" + wikiname.Hex(four) + "'":                                    "2",
		"SELECT COUNT(*) FROM cuci_temp_edit WHERE cite_ip_hex = '" + wikiname.Hex(six) + "'":                                                       "1",
		"SELECT COUNT(*) FROM cuci_temp_edit": "2",
	} {
		if got := value(t, db, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}
