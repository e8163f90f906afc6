// Package selfcheck shows what a tool gets of its readers, so that nobody has to take an
// edge's word for it. [Run] has two invented readers, who differ in all that a browser
// tells, ask the real proxy for the same things; but the proxy's connections end at an
// echo in this process, which keeps every byte. The bytes of the two must be equal. What
// the echo got becomes a [Transcript], which the edge signs and publishes, and which
// anybody can check without the edge:
//
//	result, err := selfcheck.Run(ctx, selfcheck.Config{Tool: tool, Prefix: "/.tools/", Proxy: proxyThatEndsAt})
//	t := &selfcheck.Transcript{Result: *result, …}
//	signed, err := t.Sign(signer)                    // a signed note, as of golang.org/x/mod/sumdb/note
//	t, err = selfcheck.Open(signed, verifier)        // what it says, once its signature is right
//	err = t.Verify(selfcheck.Expect{Now: time.Now(), Declared: tool})
//
// A transcript holds the bytes and nothing that is said about them: who looks at it reads
// them with the parsers of crypto/tls, net/http and net/http2. It is the edge's own word:
// one that lies can sign what it likes. But it can't take back what it signed, since each
// transcript names the one before by its hash, and the tool's own log says whether it gets
// what is shown.
//
// ClientHellos are compared by what they offer and by their length: their random, session
// id and key shares are random by TLS's design. Of HTTP/2, acknowledgements are left out,
// since they come when the echo's own frames arrive. Each request is the first on its
// connection; later ones are shorter over HTTP/2, as they refer to fields sent before, by whomever.
package selfcheck
