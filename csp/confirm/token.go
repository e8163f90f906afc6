package confirm

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"unicode"
)

// Act is what a person confirms.
type Act struct {
	// Subject is what the flow was started with, Action what to do with it, such
	// as "grant" or "revoke"; at most 1 KB each.
	Subject, Action string
	// Binding is the state of the subject that the page describes; see [Bind].
	Binding Binding
}

// Challenge goes into a page: the token hidden in the form, the code shown.
type Challenge struct {
	Token string
	// Code is five digits that the person types. A hijacked click can't know it.
	Code string
}

// Confirmation is an act that a person confirmed in a browser.
type Confirmation struct {
	Act     Act
	Browser BrowserID
	client  Group
}

const codeHashSize = sha256.Size

// Ask makes the challenge of one page: whether to do this with the hand-off's
// subject as the binding describes it. An action over 1 KB is [errTooLong].
func (f *Flow) Ask(h HandOff, action string, binding Binding) (Challenge, error) {
	if len(action) > maxText {
		return Challenge{}, errTooLong
	}
	c := claims{browser: h.claims.browser, client: h.claims.client, subject: h.claims.subject, action: action, binding: binding, nonce: newNonce()}
	code := newCode()
	c.code = f.keys.sets[0].codeHash(c.nonce, code)
	return Challenge{f.seal(useToken, c), code}, nil
}

// Redeem takes the answer to a challenge. The act is what this request is for as
// the server sees it now: subject and action from the address that the form
// was sent to, the binding of the subject as it is. A token answers for nothing else.
//
// It is used up by this, whether the code is right or wrong, but not by a refusal
// that comes before: a form that is too fast may be sent again.
func (f *Flow) Redeem(r *http.Request, form Form, act Act) (Confirmation, error) {
	c, set, err := f.open(useToken, form.Get(TokenField))
	if err != nil {
		return Confirmation{}, err
	}
	switch {
	case !same([]byte(c.subject), []byte(act.Subject)):
		return Confirmation{}, ErrSubject
	case !same([]byte(c.action), []byte(act.Action)):
		return Confirmation{}, ErrAction
	case !same(c.binding[:], act.Binding[:]):
		return Confirmation{}, ErrBinding
	}
	groups, err := f.sameSender(r, set, c, false)
	if err != nil {
		return Confirmation{}, err
	}
	if err := f.burn(r.Context(), c, groups, TokenLife); err != nil {
		return Confirmation{}, err
	}
	if typed := set.codeHash(c.nonce, trimCode(form.Get(CodeField))); !same(typed[:], c.code[:]) {
		return Confirmation{}, ErrCode
	}
	return Confirmation{act, c.browser, groups[0]}, nil
}

// codeHash is keyed: without the key nobody who has a token can try the 100,000 codes at home.
func (s *keySet) codeHash(n Nonce, code string) [codeHashSize]byte {
	return [codeHashSize]byte(s.mac(useCode, n[:], []byte(code)))
}

func newCode() string {
	n, _ := rand.Int(rand.Reader, big.NewInt(100_000)) // uniform; rand.Reader never fails
	return fmt.Sprintf("%05d", n)
}

func newNonce() (n Nonce) {
	rand.Read(n[:])
	return n
}

// trimCode drops the spaces that people put around and between digits.
func trimCode(typed string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) {
			return -1
		}
		return c
	}, typed)
}
