// Package audit keeps a durable transparency log of who looked up, compared,
// revealed or blocked which masks.
//
// A [Log] writes an entry to disk before the response to the action is sent:
//
//	keys, err := audit.OpenKeys(ctx, storage)            // made at the first start, kept in the storage
//	store, err := audit.OpenBolt("/var/lib/…/audit.db")  // one file for each node
//	heads := audit.StorageHeads(storage, node)           // outside of the file
//	log, err := audit.Open(audit.Config{Store: store, Keys: keys, Heads: heads, Node: node})
//	receipt, err := log.Append(ctx, audit.Entry{Performer: "42", Action: audit.Reveal, Masks: masks, Reason: "…"})
//	if err != nil { /* refuse the action */ }
//
// # Once a day
//
// A look-up, comparison or reading of the log is written once a day (UTC) for the same
// performer, action, reason and set of masks; repeating it gives the receipt of the first.
// Reveals, members of a network and changes (Block, Unblock) are always written.
//
// # What is readable
//
// Performer, masks and reason are encrypted (AES-256-GCM) and padded, so a thief of
// the file learns when there was an action and of what kind, nothing more. The tree
// is made over the encrypted records: it can be verified without any key, by those
// who may not read it.
//
// # What is proved
//
// A log is a transparency log: its records are the leaves of a Merkle tree (RFC 6962, by
// golang.org/x/mod/sumdb/tlog), and a [Checkpoint] is its signed root (a note of
// golang.org/x/mod/sumdb/note in C2SP's form tlog-checkpoint).
//
// [Verify] finds any entry that was edited, dropped, moved, inserted or appended by
// somebody without the keys, or a tail that was cut: the log's state is signed.
//
// A file that was put back from an older copy is genuine in all it holds. So the newest
// signed head lies outside of it, in [Heads]: [Open] and [Verify] refuse a log that doesn't go on
// from there. The response to a reveal is sent only once the head with it is stored, and that head is its
// performer's receipt; those of other entries are stored within seconds. Writes are ordered so that a
// crash at any moment leaves the file level with its head or ahead of it, never behind: a new log's head
// is stored before its file, each later one after the commit. [AcceptLoss] goes on from a
// loss, and writes it to the log.
//
// Whoever puts back file and head at once, or holds the keys and computes all anew, is seen by
// those who hold a [Checkpoint] from between, be it a receipt or one that was published.
// [Checkpoint.Follows] lets anyone see that a later one continues an earlier one, by a [Log.Proof] of
// some forty hashes at most. The count of reveals in it is the log's own word, which [Verify] checks by the records:
// a log that says too few has signed it. Publish seldom, see [Log.Publish]:
// a live count would tell attackers the moment they are looked up.
//
// # Retention
//
// Entries older than the retention (a year by default) are deleted, from the oldest
// on. In their place stands a base in the signed state: how many they were, how many reveals among
// them, and their part of the tree, so that the rest still verifies and still follows
// the checkpoints published since. A checkpoint older than the base can't be followed
// any more: who watches a log must look once in a retention period.
//
// # Several nodes
//
// Each node has a log of its own, told apart by the node's name and a random id;
// nodes that share the storage share the keys. The count of all reveals is the sum
// of the nodes' checkpoints. A [Store] has one writer: a log that two nodes append to would need a
// lock around each look-up.
//
// # Format, version 1
//
// Numbers are big-endian; u8, u16, u32, u64 unsigned, time i64 milliseconds since 1970;
// bytes are a u16 length and as many bytes.
//
//	record = u8 version (1) | u64 sequence (from 1) | time | u8 action | 32 hash of the record before | bytes sealed
//	sealed = 12 nonce | AES-256-GCM(content), additional data "wikiveil/v1/audit/entry" 0x00 | 16 log id | bytes node | record up to sealed
//	content = bytes performer | bytes name | u32 masks | 16 each | bytes reason | zeroes to a multiple of 128
//	hash of a record = its leaf hash in the tree; before the first: SHA-256("wikiveil/v1/audit/log" 0x00 | 16 log id | bytes node)
//
//	head, receipt, published = a [Checkpoint]; a state is signed by Ed25519 with "wikiveil/v1/audit/state" 0x00
//
// The keys come by HKDF-SHA-256 from a secret of their own, which outlives the
// epochs of the masks: info "wikiveil/v1/audit/entries" and "wikiveil/v1/audit/checkpoints".
package audit
