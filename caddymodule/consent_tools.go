package caddymodule

import (
	"encoding/hex"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// consentToolsAge is how long what may be let through is not looked up anew; so long may
// a tool go on that was switched off.
const consentToolsAge = time.Second

// consentTools is what readers may let through, as it last was.
type consentTools struct {
	current  atomic.Pointer[datedTools]
	renewing sync.Mutex
}

type datedTools struct {
	at    time.Time
	sum   string // of all that it was made of
	tools *exempt.Tools
}

// declaredForConsent yields the tools that readers may let through now, and the hashes of their
// declarations.
func (a *App) declaredForConsent() iter.Seq2[*noticeboard.Tool, string] {
	return func(yield func(*noticeboard.Tool, string) bool) {
		for tool := range a.live.Board().All() {
			// Of what is disabled, expired or pending nothing is said here: it can't be let through.
			if entry, err := a.live.ForConsent(tool.Name); err == nil && !yield(entry.Tool, entry.Hash) {
				return
			}
		}
	}
}

// consentTools returns what readers may let through now.
func (a *App) consentTools() *exempt.Tools {
	c := &a.consents.tools
	if known := c.current.Load(); known != nil && time.Since(known.at) < consentToolsAge {
		return known.tools
	}
	c.renewing.Lock()
	defer c.renewing.Unlock()
	known := c.current.Load()
	if known != nil && time.Since(known.at) < consentToolsAge {
		return known.tools
	}
	renewed := &datedTools{at: time.Now()}
	var tools []exempt.Tool
	var sum strings.Builder
	for declared, hash := range a.declaredForConsent() {
		tool, err := exemptible(declared, hash)
		if err != nil { // the noticeboard checked it by rules that are as strict
			a.logger.Error("tool can't be let through", zap.String("tool", declared.Name), zap.Error(err))
			continue
		}
		tools = append(tools, tool)
		sum.WriteString(declared.Name + " " + hash + "\n")
	}
	renewed.sum = sum.String()
	if known != nil && known.sum == renewed.sum {
		renewed.tools = known.tools
	} else {
		renewed.tools, _ = exempt.NewTools(tools...) // each was tried, and the board has no name twice
	}
	c.current.Store(renewed)
	return renewed.tools
}

// exemptible returns the tool as package exempt takes it.
func exemptible(declared *noticeboard.Tool, hash string) (exempt.Tool, error) {
	tool := exempt.Tool{
		Name: declared.Name, Origins: declared.Origins(), Integrity: declared.Integrity, Expires: declared.Expires.Time(),
		Title: declared.Title, Purpose: declared.Purpose, Sends: declared.Sends, Names: declared.Names != "", Retention: declared.Retention,
		Source: declared.Source, Privacy: declared.Privacy, Contact: declared.Contact, Reviewed: reviewOf(declared),
	}
	for _, kind := range declared.Kinds {
		tool.Kinds = append(tool.Kinds, exempt.Kind(kind))
	}
	if _, err := hex.Decode(tool.Declaration[:], []byte(hash)); err != nil {
		return tool, err
	}
	_, err := exempt.NewTools(tool)
	return tool, err
}

// reviewOf tells by whom and when a declaration was checked.
func reviewOf(declared *noticeboard.Tool) string {
	var parts []string
	if declared.Reviewer != "" {
		parts = append(parts, declared.Reviewer)
	}
	if !declared.Reviewed.IsZero() {
		parts = append(parts, declared.Reviewed.String())
	}
	return strings.Join(parts, ", ")
}
