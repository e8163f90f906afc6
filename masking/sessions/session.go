package sessions

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/wikiveil/wikiveil/masking"
)

const (
	// OfferLife is how long a session that was offered can be taken, Life how long it lasts.
	OfferLife = 24 * time.Hour
	Life      = 90 * 24 * time.Hour

	// ahead is how far a node's clock may be behind that of the one that began a session.
	ahead = 5 * time.Minute
)

// Errors of a cookie's value.
var (
	ErrForged  = errors.New("not a session of this site")
	ErrExpired = errors.New("the session has ended")
)

// A Session is what a browser is known by.
type Session struct {
	ID    [16]byte // random, and secret: whoever has it can't make the cookie, but its mask with an epoch's secret
	Since time.Time
	// Granted is whether it counts: the browser brought it back while its address had some budget left.
	Granted bool
}

// New begins a session that is only offered.
func New(now time.Time) (s Session) {
	rand.Read(s.ID[:])
	s.Since = now
	return s
}

// Ends is when it counts no more.
func (s Session) Ends() time.Time {
	if s.Granted {
		return s.Since.Add(Life)
	}
	return s.Since.Add(OfferLife)
}

// Keys seal and open the sessions of one site label. They are safe for concurrent use.
type Keys struct {
	label string
	keys  [][]byte // by epoch, the one in use first
}

// NewKeys derives the keys of the active epochs, the one in use first.
func NewKeys(epochs []masking.Epoch, label string) (*Keys, error) {
	if len(epochs) == 0 {
		return nil, masking.ErrNoSecret
	}
	k := &Keys{label: label}
	for _, e := range epochs {
		key, err := e.Key("session")
		if err != nil {
			return nil, err
		}
		k.keys = append(k.keys, key)
	}
	return k, nil
}

// A sealed session is, in base64url without padding:
//
//	version (1 byte) = 1 | 0 offered, 1 granted (1 byte) | id (16) | since, Unix seconds (u64) |
//	HMAC-SHA-256(key, all before || site label), its first 16 bytes
//
// where the key is the epoch's for "session".
const (
	version  = 1
	bodySize = 1 + 1 + 16 + 8
	macSize  = 16
)

var encoding = base64.RawURLEncoding.Strict()

// Seal returns a session as a cookie's value.
func (k *Keys) Seal(s Session) string {
	body := make([]byte, 0, bodySize+sha256.Size)
	body = append(body, version, 0)
	if s.Granted {
		body[1] = 1
	}
	body = append(body, s.ID[:]...)
	body = binary.BigEndian.AppendUint64(body, uint64(s.Since.Unix()))
	return encoding.EncodeToString(k.mac(body, k.keys[0], body))
}

// mac appends the code of a body to it.
func (k *Keys) mac(to, key, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(body)
	h.Write([]byte(k.label))
	return h.Sum(to)[:len(to)+macSize]
}

// Open reads a cookie's value. Renew is whether it was sealed under an older epoch, and should be sealed anew.
//
// Errors: [ErrForged], [ErrExpired].
func (k *Keys) Open(text string, now time.Time) (s Session, renew bool, err error) {
	var room [bodySize + macSize + 1]byte
	if len(text) != encoding.EncodedLen(bodySize+macSize) {
		return Session{}, false, ErrForged
	}
	n, err := encoding.Decode(room[:], []byte(text))
	if err != nil || n != bodySize+macSize {
		return Session{}, false, ErrForged
	}
	body, code := room[:bodySize], room[bodySize:n]
	for i, key := range k.keys {
		if !hmac.Equal(code, k.mac(nil, key, body)) {
			continue
		}
		if body[0] != version || body[1] > 1 {
			break
		}
		s = Session{ID: [16]byte(body[2:18]), Since: time.Unix(int64(binary.BigEndian.Uint64(body[18:])), 0), Granted: body[1] == 1}
		if !now.Before(s.Ends()) || s.Since.After(now.Add(ahead)) {
			return Session{}, false, ErrExpired
		}
		return s, i > 0, nil
	}
	return Session{}, false, ErrForged
}
