// Package masking turns client addresses into keyed pseudonyms, called masks.
//
// A mask is an ORCHIDv2 identifier ([RFC 7343]): a valid IPv6 address out of
// 2001:20::/28, a range set aside for cryptographic hash identifiers and never
// routed, so software that wants an IP address takes it:
//
//	mask     = 2001:2 | OGA (4 bits) | first 96 bits of HMAC-SHA-256(site key, kind || 0x00 || body)
//	site key = HKDF-SHA-256(epoch secret, no salt, info "wikiveil/v1/mask/" || site label), 32 bytes
//
// OGA 0xF stands for clients and sessions (2001:2f:…), 0xE for networks (2001:2e:…).
//
// Most programs want a [Site]: it gives a client's mask and the masks of the
// networks the client is in, under the current epoch of a [Ring] and the older
// epochs that are kept. [Masker] is the primitive below it: one secret, one
// site label. A ring that several nodes share is kept by [Keeper].
//
// Masks are pseudonyms, not anonymity: who holds the secret can try all IPv4
// addresses in minutes. Keep the secret as you would keep the addresses.
//
// The format is fixed: a later version of this package gives the same masks
// for the same secret, site label and client.
//
// [RFC 7343]: https://www.rfc-editor.org/rfc/rfc7343
package masking
