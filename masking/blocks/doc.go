// Package blocks keeps a durable list of masks and network masks that the edge itself
// refuses, for apps that have no blocks of their own.
//
//	list, err := blocks.Open(ctx, storage)
//	go list.Follow(ctx, 0, report)         // keeps up with other nodes
//	err = list.Add(ctx, blocks.Block{Mask: mask, By: "admin", Reason: "vandalism"})
//	block, blocked := list.Match(masks)    // for each request: all masks of its client
//
// Match a request by all the masks its client has: its own, those of its networks, and
// those under the older epochs that are kept. Then a block holds whatever kind of mask
// it is of, and goes on after a rotation.
//
// The list lives in a storage, such as Caddy's, under [Key]. Nodes that share
// the storage share the list: a node sees its own changes at once and the others' at its
// next poll. [List.Match] reads a snapshot in memory and asks no storage. While the
// storage fails, the last list read goes on to hold, and a list that is
// damaged or gone is never overwritten.
//
// A block ends at its expiry and is deleted from the storage a day later, with the next
// change or poll; within that day it would hold again should the clock have been ahead.
package blocks
