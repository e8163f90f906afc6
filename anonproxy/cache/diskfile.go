package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// A file holds a magic, the length of the head (4 bytes, big endian), the head as
// JSON, the body, and the SHA-256 of all that. Whatever isn't exactly so is
// damaged.
const (
	magic   = "wvcache1"
	maxHead = 64 << 10
	frame   = len(magic) + 4 + sha256.Size // beside head and body
)

var errDamaged = errors.New("the cache's file is damaged")

// fileHead is what is stored of an answer beside its body.
type fileHead struct {
	Scope       Scope
	Path, Query string
	AnyQuery    bool

	Status      int
	ContentType string
	URL         string
	Header      http.Header
	Policy      policyHead
	Received    time.Time
	Said        int64         // length
	HeldFor     time.Duration `json:",omitempty"`
}

// policyHead is a policy as stored: hops aren't, so it can't be computed anew.
type policyHead struct {
	Validate, NeverStale                                              bool
	InitialAge, Lifetime, Browser, StaleWhileRevalidate, StaleIfError time.Duration
}

func headOf(o *object) fileHead {
	p := o.policy
	return fileHead{
		Scope: o.key.Scope.Value(), Path: o.key.Path, Query: o.key.Query, AnyQuery: o.key.AnyQuery,
		Status: o.status, ContentType: o.contentType, URL: o.url, Header: o.header, Received: o.received, Said: o.lengthSaid, HeldFor: o.heldFor,
		Policy: policyHead{p.validate, p.neverStale, p.initialAge, p.lifetime, p.browser, p.staleWhileRevalidate, p.staleIfError},
	}
}

// encode returns a file's parts in order. The last is the sum of the others.
func encode(o *object) ([][]byte, error) {
	head, err := json.Marshal(headOf(o))
	if err != nil {
		return nil, err
	}
	if len(head) > maxHead {
		return nil, errors.New("the answer's head is too large for a file")
	}
	start := binary.BigEndian.AppendUint32([]byte(magic), uint32(len(head)))
	parts := append([][]byte{append(start, head...)}, o.body.blocks...)
	sum := sha256.New()
	for _, part := range parts {
		sum.Write(part)
	}
	return append(parts, sum.Sum(nil)), nil
}

// decode reads a file for a key. The answer's body is part of data.
func decode(data []byte, key Key) (*object, []byte, error) {
	if len(data) < frame || !bytes.HasPrefix(data, []byte(magic)) {
		return nil, nil, errDamaged
	}
	content, sum := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if got := sha256.Sum256(content); !bytes.Equal(got[:], sum) {
		return nil, nil, errDamaged
	}
	h, body, err := decodeHead(content)
	if err != nil {
		return nil, nil, err
	}
	if h.Scope != key.Scope.Value() || h.Path != key.Path || h.Query != key.Query || h.AnyQuery != key.AnyQuery {
		return nil, nil, errDamaged // or somebody renamed it
	}
	if h.Status < 200 || h.Status > 599 || h.Header == nil {
		return nil, nil, errDamaged
	}
	o := &object{
		key: key.clone(), status: h.Status, contentType: h.ContentType, url: h.URL, header: h.Header, received: h.Received, lengthSaid: h.Said, heldFor: h.HeldFor,
		policy: policy{
			reuse: storable, validate: h.Policy.Validate, neverStale: h.Policy.NeverStale, initialAge: h.Policy.InitialAge, lifetime: h.Policy.Lifetime,
			browser: h.Policy.Browser, staleWhileRevalidate: h.Policy.StaleWhileRevalidate, staleIfError: h.Policy.StaleIfError,
		},
	}
	o.present()
	return o, body, nil
}

// decodeHead splits a file's content without its sum.
func decodeHead(content []byte) (h fileHead, body []byte, err error) {
	if len(content) < len(magic)+4 || !bytes.HasPrefix(content, []byte(magic)) {
		return h, nil, errDamaged
	}
	rest := content[len(magic)+4:]
	n := int64(binary.BigEndian.Uint32(content[len(magic):]))
	if n > maxHead || n > int64(len(rest)) {
		return h, nil, errDamaged
	}
	if json.Unmarshal(rest[:n], &h) != nil {
		return h, nil, errDamaged
	}
	return h, rest[n:], nil
}
