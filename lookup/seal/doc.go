// Package seal seals client addresses so that only chosen people can read them.
//
// An operator makes a pair with [GenerateIdentity]: the identity stays with the
// person who may reveal, the edge is given the recipient only. [NewSealer] seals
// to one or more recipients, of whom each ([Any]) or only all together ([All])
// can open a [Box] with [Open]. [NewLocal] is for small wikis: the edge itself
// can open what it sealed, with [OpenLocal] and the epoch's secret.
//
// # What a thief learns
//
// A fresh HPKE context costs about 100 µs for each recipient. A reused one costs
// little, but its key lies in memory as long as it is used: whoever takes the memory could open
// every box sealed with it. So a sealer draws a random chain key, seals that to the
// recipients by HPKE, and takes each box's own key from the chain, which it
// then moves on by a hash that can't be turned back; a box costs about 1.3 µs
// (BenchmarkSeal; 136 µs with a context for each):
//
//	box key i     = SHA-256("wikiveil/v1/box-key" || chain key i)
//	chain key i+1 = SHA-256("wikiveil/v1/box-chain" || chain key i)
//
// The chain key is overwritten at every step. Whoever takes the edge's memory can
// open the boxes still to come from that chain, at most an hour or 65,536 boxes (and
// could watch those clients arrive anyway), but none sealed before: those need
// a recipient's identity. Go's runtime may keep a stale copy on a stack or in
// memory that is not yet reused, so "before" can lag by moments. With [NewLocal] there
// is no such protection: whoever has the epoch's secret opens all boxes of that epoch.
//
// # Formats
//
// A box's body, version 1 (numbers big-endian):
//
//	version (1 byte) = 1 | mode (1 byte): 1 any, 2 all, 3 local
//	any and all: n (1 byte) | n × { recipient id (8) | HPKE enc (32) | sealed share (48) } | chain index (4) | sealed address (33)
//	local:       nonce (12) | sealed address (33)
//
// HPKE (RFC 9180) is base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, with
// info "wikiveil/v1/seal" || mode || all recipient ids. A share is the chain's first key (any), or one of n
// random shares of which it is the XOR (all). A recipient id is the first 8 bytes
// of SHA-256("wikiveil/v1/recipient" || public key).
//
// The sealed address is AES-256-GCM over 17 bytes, family (4 or 6) and the address in 16 bytes
// (IPv4 in the first four), so the two families are alike from outside. The
// nonce is zero for any and all, whose keys are used once, and the key of local is the epoch's for "seal/local".
// Additional data is "wikiveil/v1/box" || body up to here || mask (16) || epoch id: a box
// moved to another mask or epoch does not open.
//
// Text forms are a prefix and lower-case base32 (RFC 4648, no padding) of version (1), key (32), and the first 4 bytes of
// SHA-256(prefix || version || key) against typing errors:
//
//	wikiveil-recipient-…   public
//	wikiveil-identity-…    secret
//
// A box travels as "wikiveil-box-" and base64url of version (1) = 1 | mask (16) | length (1) and bytes of the epoch id | body.
//
// These formats are fixed: later versions of this package open what this one sealed.
package seal
