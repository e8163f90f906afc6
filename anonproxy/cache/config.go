package cache

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Defaults of [Config].
const (
	DefaultMaxBytes   = 64 << 20
	DefaultMaxEntries = 16 << 10
	DefaultHold       = 256 << 10
	DefaultHeuristic  = 10 * time.Minute
)

// Config says how much a [Cache] keeps. The zero value is ready to use.
type Config struct {
	// MaxBytes bounds the memory of all bodies, those that are arriving or still
	// being read included. Default: DefaultMaxBytes.
	MaxBytes int64

	// MaxEntries bounds the answers that are kept. Default: DefaultMaxEntries.
	MaxEntries int

	// MaxObject bounds the body of one answer in bytes; larger ones pass through.
	// Default: an eighth of MaxBytes.
	MaxObject int64

	// Hold is the body size in bytes up to which an answer begins only when it is
	// whole, so that all readers get the same header. Default: DefaultHold.
	Hold int64

	// Heuristic bounds the lifetime of answers that have none, which is a tenth of
	// the time since their Last-Modified. Negative is none. Default: DefaultHeuristic.
	Heuristic time.Duration
}

// withDefaults checks a config and fills it in.
func (c Config) withDefaults() (Config, error) {
	if c.MaxBytes < 0 || c.MaxEntries < 0 || c.MaxObject < 0 || c.Hold < 0 {
		return c, errors.New("the cache's bounds must not be negative")
	}
	c.MaxBytes = cmp.Or(c.MaxBytes, DefaultMaxBytes)
	c.MaxEntries = cmp.Or(c.MaxEntries, DefaultMaxEntries)
	c.MaxObject = cmp.Or(c.MaxObject, max(1, c.MaxBytes/8))
	c.Hold = cmp.Or(c.Hold, DefaultHold)
	c.Heuristic = cmp.Or(c.Heuristic, DefaultHeuristic)
	if c.MaxObject > c.MaxBytes {
		return c, fmt.Errorf("the cache's largest object of %d bytes doesn't fit into its %d bytes", c.MaxObject, c.MaxBytes)
	}
	return c, nil
}

// Validate tells what is wrong with the config, if anything.
func (c Config) Validate() error {
	_, err := c.withDefaults()
	return err
}
