// Package audit keeps a durable, hash-chained log of who looked up, compared,
// revealed or blocked which masks.
//
// A [Log] writes an entry to disk before the action is answered:
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
// Reveals and changes (Block, Unblock) are always written.
//
// # What is readable
//
// Performer, masks and reason are encrypted (AES-256-GCM) and padded, so a thief of
// the file learns when there was an action and of what kind, nothing more. The chain
// is made over the encrypted records: it can be verified without any key, by those
// who may not read it.
//
// # What is proved
//
// [Verify] finds any entry that was edited, dropped, moved, inserted or appended by
// somebody without the keys, or a tail that was cut: the log's state is signed.
//
// A file that was put back from an older copy is genuine in all it holds. So the newest
// signed head lies outside of it, in [Heads]: [Open] and [Verify] refuse a log that doesn't go on
// from there. A reveal is answered only once the head with it is stored, and that head is its
// performer's receipt; those of other entries are stored within seconds. Writes are ordered so that a
// crash at any moment leaves the file level with its head or ahead of it, never behind: a new log's head
// is stored before its file, each later one after the commit. [AcceptLoss] goes on from a
// loss, and writes it to the log.
//
// Whoever puts back file and head at once, or holds the keys and computes all anew, is seen by
// those who hold a [Checkpoint] from between, be it a receipt or one that was published:
// a signed count of entries and reveals with the chain's head. [Checkpoint.Follows]
// lets anyone see that a later one continues an earlier one, from [Link] values which
// tell of each entry only whether it is a reveal. Publish seldom, see [Log.Publish]:
// a live count would tell an attacker the moment he is looked up.
//
// # Retention
//
// Entries older than the retention (a year by default) are deleted, from the oldest
// on. In their place stands a signed base: how many they were, how many reveals among
// them, and the head of their chain, so that the rest still verifies and still follows
// the checkpoints published since. A checkpoint older than the base can't be followed
// any more: who watches a log must look once in a retention period.
//
// # Several nodes
//
// Each node has a log of its own, told apart by the node's name and a random id;
// nodes that share the storage share the keys. The count of all reveals is the sum
// of the nodes' checkpoints. The [Store] is an interface so that another place than
// bbolt may hold the log; one writer a log is part of its contract, since a chain
// that two nodes append to would need a lock around each look-up.
//
// # Format, version 1
//
// Numbers are big-endian; u8, u32, u64 unsigned, time i64 milliseconds since 1970;
// bytes are a u32 length and as many bytes.
//
//	record = u8 version (1) | u64 sequence (from 1) | time | u8 action | 32 previous link | bytes sealed
//	sealed = 12 nonce | AES-256-GCM(content), additional data "wikiveil/v1/audit/entry" 0x00 | 16 log id | bytes node | record up to sealed
//	content = bytes performer | bytes name | u32 masks | 16 each | bytes reason | zeroes to a multiple of 128
//	link(0) = SHA-256("wikiveil/v1/audit/log" 0x00 | 16 log id | bytes node)
//	link(n) = SHA-256("wikiveil/v1/audit/link" 0x00 | link(n-1) | u64 n | u8 reveal (0 or 1) | SHA-256(record n))
//
//	checkpoint = 16 log id | bytes node | u64 entries | u64 reveals | u64 pruned | link(entries) | time
//	signature  = Ed25519("wikiveil/v1/audit/checkpoint" 0x00 | checkpoint); a base: "wikiveil/v1/audit/base" 0x00
//	head, receipt = a checkpoint; a state is signed with "wikiveil/v1/audit/state" 0x00
//
// The keys come by HKDF-SHA-256 from a secret of their own, which outlives the
// epochs of the masks: info "wikiveil/v1/audit/entries" and "wikiveil/v1/audit/checkpoints".
// The forms are fixed; a later version of this package reads them.
package audit
