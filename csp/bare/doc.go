// Package bare gives a policy to the answers that net/http writes by itself, before
// any handler: 400 for `GET /%zz`, 431, 417, 501 and 505. To browsers they are documents of the
// site, into which a script of the site can write another, in a popup; without a policy
// that one loads what it likes.
//
// Over HTTP/1 the answer is rewritten on its way. Over HTTP/2 it is compressed with what the
// connection said before, so what would get it is stopped: a connection that sends more
// header than browsers can without meeting the server's own limit is closed.
// See [HeaderLimit].
package bare
