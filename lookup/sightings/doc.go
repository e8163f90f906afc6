// Package sightings remembers which clients were seen, so that people who
// see only masks can still ask where a mask belongs, compare masks, and block networks.
//
// A [Recorder] is what the edge uses. [Recorder.Record] records a request off its path; [Recorder.RecordDurably]
// returns only when the client's record is safe, and is called before a request that can publish goes
// on, so no mask is ever shown that can't be looked up. [Recorder.LookAll] returns masks' [Record]s, and
// [CompareRecords] what several have in common. A recorder needs a [Store]: boltstore.Open for one edge,
// redisstore.Open for several. Close the recorder, then the store.
//
// # The rooms
//
//	sightings             the recorder: what is recorded, encrypted, looked up and compared
//	sightings/boltstore   the store in bbolt files, the default
//	sightings/redisstore  the store in Redis or Valkey, which nodes can share
//	sightings/storetest   the test that every store passes, and a Redis for tests
//	lookup/geo           organisations, places and anonymous networks from databases on disk
//	lookup/seal          addresses sealed to people who may reveal
//
// Arrows point down: the stores know [Store] and nothing of records; geo and seal know nothing of the
// recorder.
//
// # What is stored
//
// A sighting is filed under its [Part], the day (UTC) and the epoch that made the mask. The first of a
// day is a whole observation (organisation, place, network masks, sealed address); that the client
// was seen again is added up in memory and noted once an hour, without what is known already. Notes
// are only ever added. A look-up merges all notes of a mask, in any order: the latest observation, the outermost times,
// the sum of the counts. So nothing is read before a write, nodes need not agree on anything, a clock
// that steps back does no harm, and retention deletes whole days.
//
// Keys and values are made from the epoch's secret (HKDF, see masking.DeriveKey), anew for each day:
//
//	value: version (1) | AES-256-GCM under "records/2026-11-22"; see the encoding in codec.go
//	key:   HMAC-SHA-256 under "records/2026-11-22/index" of the mask, 16 bytes
//
// Whoever takes the store, or an old copy of it, without the secret learns how many clients each day had
// and when they were first written; not their addresses, not their masks, not which of today's was there
// yesterday. The secret opens the records, but the addresses in them only where they are sealed locally.
// When an epoch's secret is destroyed, its records are noise, in all copies. For the same reason nobody can tell any more whether
// a mask was among them: see [ErrEpochDestroyed].
//
// Beside the records is an index that leads from a network's mask to the clients in it, see memberindex.go. It is written with the
// records, in the same call of the store, under keys of the same vault. [Recorder.Members] tells of it what the rule for small
// networks lets it tell, see members.go and docs/patrollers.md.
//
// # What is lost when
//
// A record that RecordDurably acknowledged is not lost by a crash of the edge. A crash loses the counts of at most
// [Config].Again, and first sightings by See that were queued. The stores say what
// they need for that of the disk, or of Redis.
package sightings
