package cache

import (
	"strings"
	"unique"
)

// Scope is what all the keys of one tool and one use of it share. Whatever
// changes which answer a path gets belongs in it.
type Scope struct {
	// Tool is the tool's name, by which [Cache.Purge] finds its answers.
	Tool string

	// Declaration is the rest of the tool's declaration that matters: revision,
	// origin, limits.
	Declaration string

	// Variant is the use that the answer was checked for, and the whole of the
	// request header that is sent.
	Variant string
}

// Key names an answer. Keys are compared field by field, never by a hash.
type Key struct {
	// Scope is made once for many keys, by unique.Make.
	Scope unique.Handle[Scope]

	// Path and Query are as sent: nothing is normalised, since only the tool
	// knows what is the same to it.
	Path, Query string

	// AnyQuery is set where a question mark is sent, even with nothing after it.
	AnyQuery bool
}

func (k Key) tool() string { return k.Scope.Value().Tool }

// url is the path and query in one.
func (k Key) url() string {
	if k.Query == "" && !k.AnyQuery {
		return k.Path
	}
	return k.Path + "?" + k.Query
}

// clone copies what would keep a whole request in memory.
func (k Key) clone() Key {
	k.Path, k.Query = strings.Clone(k.Path), strings.Clone(k.Query)
	return k
}

// size is what a stored key takes, in bytes, with its entry.
func (k Key) size() int64 { return int64(len(k.Path)+len(k.Query)) + 1024 }
