package backfill

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/publish/wikiname"
)

// A place is one column, or a few that belong together, where MediaWiki keeps addresses.
type place struct {
	table   string
	columns []string
	// where limits the rows, in SQL.
	where string
	// mask makes the new values of the columns out of the old ones; false: they stay.
	mask func(old []any) ([]any, bool)
	// twice says what becomes of a row whose new values another row has already.
	twice clash
	// expiry and flag are columns of blocks: the one tells which of two ends last, the other is unique beside the address.
	expiry, flag string
}

// A clash is what becomes of one of two rows whose unique values became the same, as those of two addresses in one /64.
type clash int

const (
	refuse clash = iota // it may not happen
	drop                // the row goes: the other says the same
	number              // the title gets a number: "2001:2F:…/2"
	merge               // what refers to the row shall refer to the other one, later
	longer              // the block that ends last stays
	skip                // the row stays as it was, and is counted
)

// as makes a function for one text into one for a row's column. Values keep the type that they have in the database.
func as(mask func(string) (string, bool)) func([]any) ([]any, bool) {
	return func(old []any) ([]any, bool) {
		text, ok := textOf(old[0])
		if !ok {
			return nil, false
		}
		masked, ok := mask(text)
		return []any{like(old[0], masked)}, ok
	}
}

// textOf returns a value's text; false if it is NULL or a number.
func textOf(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	}
	return "", false
}

// like gives a text the type of another value: SQLite takes a text and a blob for two.
func like(old any, text string) any {
	if _, ok := old.([]byte); ok {
		return []byte(text)
	}
	return text
}

// What limits the rows of a place; what a table's columns begin with takes the place of BEGIN.
const (
	ofUsers = "BEGIN_namespace IN (2, 3)"
	// CheckUser has no actor for who tried to log in, and so 0 or NULL.
	ofUnnamed = "(COALESCE(BEGIN_actor, 0) = 0 OR BEGIN_actor IN (SELECT actor_id FROM ACTOR WHERE actor_user IS NULL))"
	// Where there is such a column, the one for actors may not be filled yet.
	ofUnnamedID = "BEGIN_user = 0"
)

func (d *Database) limit(where, table, column string) string {
	begin, _, _ := strings.Cut(column, "_")
	if where == ofUnnamed && d.has(table, begin+"_user") {
		where = ofUnnamedID
	}
	return strings.NewReplacer("BEGIN", begin, "ACTOR", d.quoted("actor")).Replace(where)
}

// places lists all places of this wiki's version. Their order is that of the work: who is unregistered is asked of actor_user,
// which never changes, and so doesn't depend on what is masked already.
func (d *Database) places(n names) []place {
	title, name, ip, hex := as(n.title), as(n.name), as(n.ip), as(n.hex)
	all := []place{{table: "actor", columns: []string{"actor_name"}, where: "actor_user IS NULL", mask: name, twice: merge}}
	add := func(twice clash, where string, mask func([]any) ([]any, bool), columns ...string) {
		for _, column := range columns {
			table, column, _ := strings.Cut(column, ".")
			all = append(all, place{table: table, columns: []string{column}, where: d.limit(where, table, column), mask: mask, twice: twice})
		}
	}
	add(refuse, ofUsers, title, "recentchanges.rc_title", "logging.log_title", "archive.ar_title", "redirect.rd_title", "job.job_title",
		"cu_changes.cuc_title", "cu_log_event.cule_title", "cu_private_event.cupe_title", "abuse_filter_log.afl_title", "querycache.qc_title", "querycachetwo.qcc_title")
	add(refuse, "qcc_namespacetwo IN (2, 3)", title, "querycachetwo.qcc_titletwo")
	add(number, ofUsers, title, "page.page_title")
	add(merge, ofUsers, title, "linktarget.lt_title")
	add(drop, ofUsers, title, "watchlist.wl_title", "pagelinks.pl_title", "protected_titles.pt_title", "templatelinks.tl_title")
	add(refuse, "", as(n.params), "logging.log_params", "recentchanges.rc_params", "cu_private_event.cupe_params")
	add(refuse, ofUnnamed, ip, "recentchanges.rc_ip", "cu_changes.cuc_ip", "cu_log_event.cule_ip", "cu_private_event.cupe_ip")
	add(refuse, ofUnnamed, hex, "cu_changes.cuc_ip_hex", "cu_log_event.cule_ip_hex", "cu_private_event.cupe_ip_hex",
		"cu_changes.cuc_xff_hex", "cu_log_event.cule_xff_hex", "cu_private_event.cupe_xff_hex")
	add(refuse, ofUnnamed, as(n.ips), "cu_changes.cuc_xff", "cu_log_event.cule_xff", "cu_private_event.cupe_xff")
	add(refuse, ofUnnamed, name, "cu_changes.cuc_user_text", "abuse_filter_log.afl_user_text")
	add(refuse, ofUnnamed, ip, "abuse_filter_log.afl_ip")
	add(refuse, ofUnnamed, hex, "abuse_filter_log.afl_ip_hex")
	add(refuse, "", name, "cu_log.cul_target_text")
	add(refuse, "", hex, "cu_log.cul_target_hex", "cu_log.cul_range_start", "cu_log.cul_range_end")
	add(drop, "", hex, "ip_changes.ipc_hex", "cuci_temp_edit.cite_ip_hex")
	add(drop, "user_id = 0", name, "user_newtalk.user_ip")
	add(drop, "ls_field = 'target_author_ip'", name, "log_search.ls_value")
	all = append(all,
		place{table: "ipblocks", columns: []string{"ipb_address", "ipb_range_start", "ipb_range_end"}, where: "ipb_user = 0", mask: n.block, twice: longer, expiry: "ipb_expiry", flag: "ipb_auto"},
		place{table: "globalblocks", columns: []string{"gb_address", "gb_range_start", "gb_range_end"}, mask: n.block, twice: longer, expiry: "gb_expiry"},
		place{table: "block_target", columns: []string{"bt_address", "bt_range_start", "bt_range_end", "bt_ip_hex"}, where: "bt_user IS NULL", mask: n.target})
	return slices.DeleteFunc(all, func(p place) bool { return !d.has(p.table, p.columns...) })
}

// block masks a block's address or range, and what makes it findable: up to MediaWiki 1.41 an address is a range of one.
func (n names) block(old []any) ([]any, bool) {
	text, _ := textOf(old[0])
	mask, ok := n.name(text)
	if !ok {
		return nil, false
	}
	addr, _ := n.addr(text)
	number := wikiname.Hex(addr)
	return []any{like(old[0], mask), like(old[1], number), like(old[2], number)}, true
}

// target masks a block's target as MediaWiki 1.42 and later have them.
func (n names) target(old []any) ([]any, bool) {
	text, _ := textOf(old[0])
	addr, ok := n.addr(text)
	if !ok {
		return nil, false
	}
	mask, _ := n.name(text)
	return []any{like(old[0], mask), nil, nil, like(old[3], wikiname.Hex(addr))}, true
}

// ErrSchema is that a database isn't that of a MediaWiki that this package knows.
var ErrSchema = errors.New("the database isn't that of MediaWiki 1.39 to 1.45")

// check refuses what isn't a schema that places knows.
func (d *Database) check() error {
	for table, columns := range map[string][]string{
		"actor": {"actor_id", "actor_user", "actor_name"}, "user": {"user_id", "user_name"}, "revision": {"rev_id", "rev_actor"},
		"page": {"page_id", "page_namespace", "page_title"}, "logging": {"log_id", "log_actor", "log_title", "log_params"},
		"recentchanges": {"rc_id", "rc_actor", "rc_title", "rc_ip"}, "ip_changes": {"ipc_rev_id", "ipc_hex"}, "linktarget": {"lt_id", "lt_namespace", "lt_title"},
	} {
		for _, column := range columns {
			if !d.has(table, column) {
				return fmt.Errorf("%w: %s.%s is missing (is the table prefix right, and did update.php run?)", ErrSchema, d.prefix+table, column)
			}
		}
	}
	switch old, later := d.has("ipblocks", "ipb_address"), d.has("block_target", "bt_address", "bt_ip_hex"); {
	case !old && !later:
		return fmt.Errorf("%w: neither ipblocks nor block_target is there", ErrSchema)
	case d.has("revision_actor_temp") || d.has("revision", "rev_user_text"):
		return fmt.Errorf("%w: revisions have their users in an older way; upgrade the wiki first", ErrSchema)
	}
	for _, table := range []string{"actor", "page", "revision", "logging", "recentchanges", "archive", "ipblocks", "block_target", "ip_changes", "user_newtalk", "linktarget"} {
		if unknown := d.uncovered(table); len(unknown) > 0 {
			return fmt.Errorf("%w: it has %s, which may hold addresses", ErrSchema, strings.Join(unknown, ", "))
		}
	}
	return nil
}

// harmless are columns that are named like those that hold addresses.
var harmless = []string{"content_address", "bt_user_text", "af_user_text", "afh_user_text", "cul_user_text"}

// uncovered lists columns of a table that are named like those that hold addresses, and are no place.
func (d *Database) uncovered(name string) []string {
	t := d.tables[name]
	if t == nil {
		return nil
	}
	var unknown []string
	for column := range t.columns {
		if !regexpAddress.MatchString(column) || slices.Contains(harmless, column) {
			continue
		}
		if !slices.ContainsFunc(d.places(names{}), func(p place) bool { return p.table == name && slices.Contains(p.columns, column) }) {
			unknown = append(unknown, name+"."+column)
		}
	}
	slices.Sort(unknown)
	return unknown
}

var regexpAddress = regexp.MustCompile(`_(ip|xff|address|user_text|(ip|xff)?_?hex|range_start|range_end)$`)
