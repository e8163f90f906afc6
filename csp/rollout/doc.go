// Package rollout enforces a policy for a share of the clients, and keeps the share
// where all nodes see it.
//
//	groups, err := rollout.NewGroups(key)
//	book, err := rollout.Open(ctx, storage)
//	go book.Follow(ctx, 0, report)              // keeps up with other nodes
//	err = book.Set(ctx, "wiki.example", share, "admin")
//	if groups.Enforced(mask, book.Share("wiki.example", configured)) { … }
//
// The key and a client's mask give the client a place, and a [Share] takes in all places
// below it. So a client that is in stays in while the share grows, on all nodes and over
// restarts. Without the key nobody can choose a mask that is in, or tell from a mask in a
// public history whether its client is in. A new mask, as after
// a rotation of the masks' secret, has a new place.
//
// The shares live in a storage, such as Caddy's, under [Key], with the steps
// that led there. A node sees its own changes at once and the others' at its next poll.
// [Book.Share] reads a snapshot in memory and asks no storage. While the storage fails,
// the last shares read go on to hold, and a book that
// is damaged or gone is never overwritten.
package rollout
