// Package canary shows what a tool gets of its readers, so that nobody has to take
// an edge's word for it. [Run] has two invented readers, who differ in all that a
// browser tells, ask the real proxy for the same things; but the proxy's connections
// end at an echo in this process, which keeps every byte. The bytes of the two must
// be equal. What the echo got becomes a [Transcript], which the edge signs with
// [Sign] and publishes. Anybody may [Open] one with the edge's public key, and ask
// [Transcript.Verify] whether it holds nothing but constants.
//
//	result, err := canary.Run(ctx, canary.Config{Tool: tool, Prefix: "/.tools/", Proxy: proxyThatEndsAt})
//	signed, err := canary.Sign(transcript, key)          // a DSSE envelope
//	transcript, err := canary.Open(signed, publicKey)    // what it says, once its signature is right
//	err = transcript.Verify(canary.Expect{Now: time.Now(), Declaration: hash})
//
// A transcript is the edge's own word: one that lies can sign what it likes. But it
// can't take back what it signed: each transcript names the one before by its hash,
// and the tool's own log says whether it gets what is shown.
//
// The ClientHello is compared and shown whole but for what is random by TLS's design:
// its random, its session id and its key shares, which are zeroes. Of HTTP/2 frames
// acknowledgements are left out, as they come when the echo's own frames arrive.
// Each request is the first on its connection; later ones are shorter over HTTP/2,
// as they refer to fields that were sent before, by whomever.
package canary
