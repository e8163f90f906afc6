package backfill

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/wikiveil/wikiveil/publish/blockimport"
)

// What lists blocks: the target, expiry, reason and flags in the order of the scan below. The names of tables are put in.
const (
	// Since MediaWiki 1.42.
	laterBlocks = `SELECT b.bl_id, COALESCE(t.bt_address, t.bt_user_text), b.bl_expiry, c.comment_text, t.bt_auto, b.bl_anon_only, b.bl_create_account,
		b.bl_enable_autoblock, b.bl_block_email, b.bl_allow_usertalk, b.bl_sitewide FROM %s b JOIN %s t ON t.bt_id = b.bl_target LEFT JOIN %s c ON c.comment_id = b.bl_reason_id ORDER BY b.bl_id`
	oldBlocks = `SELECT b.ipb_id, b.ipb_address, b.ipb_expiry, c.comment_text, b.ipb_auto, b.ipb_anon_only, b.ipb_create_account,
		b.ipb_enable_autoblock, b.ipb_block_email, b.ipb_allow_usertalk, b.ipb_sitewide FROM %s b LEFT JOIN %s c ON c.comment_id = b.ipb_reason_id ORDER BY b.ipb_id`
	// GlobalBlocking's have no other flags that its API takes.
	globalBlocks = `SELECT gb_id, gb_address, gb_expiry, gb_reason, 0, gb_anon_only, 0, 0, 0, 0, 1 FROM %s ORDER BY gb_id`
	restrictions = `SELECT r.ir_ipb_id, r.ir_type, r.ir_value, p.page_namespace, p.page_title FROM %s r LEFT JOIN %s p ON r.ir_type = 1 AND p.page_id = r.ir_value ORDER BY 1, 2, 3`
)

// Blocks lists the wiki's blocks, or those of the GlobalBlocking extension whose tables these are, as the API does.
func (d *Database) Blocks(ctx context.Context, global bool) ([]blockimport.Entry, error) {
	var query string
	switch {
	case global && d.has("globalblocks", "gb_id", "gb_address", "gb_expiry", "gb_reason", "gb_anon_only"):
		query = fmt.Sprintf(globalBlocks, d.quoted("globalblocks"))
	case global:
		return nil, fmt.Errorf("%s has no table globalblocks of the GlobalBlocking extension: it is in the database that $wgGlobalBlockingDatabase names", d.name)
	case d.has("block", "bl_id", "bl_target") && d.has("block_target", "bt_address", "bt_user_text"):
		query = fmt.Sprintf(laterBlocks, d.quoted("block"), d.quoted("block_target"), d.quoted("comment"))
	case d.has("ipblocks", "ipb_address", "ipb_reason_id", "ipb_sitewide"):
		query = fmt.Sprintf(oldBlocks, d.quoted("ipblocks"), d.quoted("comment"))
	default:
		return nil, fmt.Errorf("%s: %w", d.name, ErrSchema)
	}
	entries, ids, err := d.readBlocks(ctx, query)
	if err == nil && !global && d.has("ipblocks_restrictions") {
		err = d.readRestrictions(ctx, entries, ids)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the blocks of %s: %w", d.name, err)
	}
	return entries, nil
}

func (d *Database) readBlocks(ctx context.Context, query string) (entries []blockimport.Entry, ids map[int64]int, err error) {
	rows, err := d.db.QueryContext(ctx, query)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	ids = map[int64]int{}
	for rows.Next() {
		var id int64
		var target, expiry, reason []byte
		var e blockimport.Entry
		var sitewide bool
		if err := rows.Scan(&id, &target, &expiry, &reason, &e.Automatic, &e.AnonOnly, &e.NoCreate, &e.Autoblock, &e.NoEmail, &e.AllowUserTalk, &sitewide); err != nil {
			return nil, nil, err
		}
		e.User, e.Expiry, e.Reason, e.Partial = string(target), string(expiry), string(reason), !sitewide
		if at, err := time.Parse("20060102150405", e.Expiry); err == nil { // else it is "infinity"
			e.Expiry = at.Format(time.RFC3339)
		}
		ids[id] = len(entries)
		entries = append(entries, e)
	}
	return entries, ids, rows.Err()
}

// actions are those that a partial block can be of, by their numbers: MediaWiki's BlockActionInfo.
var actions = map[int64]string{1: "upload", 2: "move", 3: "create"}

// namespaces are the canonical names of MediaWiki's own, by their numbers.
var namespaces = []string{"", "Talk", "User", "User talk", "Project", "Project talk", "File", "File talk", "MediaWiki", "MediaWiki talk", "Template", "Template talk",
	"Help", "Help talk", "Category", "Category talk"}

// readRestrictions adds what partial blocks are of.
func (d *Database) readRestrictions(ctx context.Context, entries []blockimport.Entry, ids map[int64]int) error {
	rows, err := d.db.QueryContext(ctx, fmt.Sprintf(restrictions, d.quoted("ipblocks_restrictions"), d.quoted("page")))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, kind, value int64
		var namespace sql.NullInt64
		var title []byte
		if err := rows.Scan(&id, &kind, &value, &namespace, &title); err != nil {
			return err
		}
		at, known := ids[id]
		if !known {
			continue
		}
		r := &entries[at].Restrictions
		switch {
		case kind == 1 && !namespace.Valid: // the page is gone, as in the API's list
		case kind == 1:
			if err := addPage(r, namespace.Int64, string(title)); err != nil {
				return err
			}
		case kind == 2:
			r.Namespaces = append(r.Namespaces, int(value))
		case kind == 3 && actions[value] != "":
			r.Actions = append(r.Actions, actions[value])
		default:
			return fmt.Errorf("a partial block is of something unknown (ir_type %d, ir_value %d): take --from the wiki's api.php", kind, value)
		}
	}
	return rows.Err()
}

// addPage adds a page. The database doesn't know the names of namespaces beyond MediaWiki's own.
func addPage(r *blockimport.Restrictions, namespace int64, title string) error {
	if namespace < 0 || namespace >= int64(len(namespaces)) {
		return fmt.Errorf("a partial block is of a page in namespace %d, whose name the database doesn't have: take --from the wiki's api.php", namespace)
	}
	if namespace > 0 {
		title = namespaces[namespace] + ":" + title
	}
	r.Pages = append(r.Pages, struct {
		Title string `json:"title"`
	}{title})
	return nil
}
