// Package checkup finds out how an edge and the wiki behind it stand: the form of what is found, for the packages that look at
// the running edge, and what a stranger sees who sends the wiki requests. Nothing here changes anything.
package checkup

import (
	"cmp"
	"fmt"
	"io"
	"slices"
)

// Level is how bad a finding is.
type Level string

const (
	// Error: something that the edge is for doesn't hold.
	Error Level = "error"
	// Warning: it may not hold, or won't for long.
	Warning Level = "warning"
	// Untold: it can't be told from here.
	Untold Level = "untold"
	// OK: it was looked at, and holds.
	OK Level = "ok"
)

// Finding is what one check tells. It holds no address of a client.
type Finding struct {
	// Check is the name of the check.
	Check string `json:"check"`
	Level Level  `json:"level"`
	// What holds or doesn't; of [Untold], why it can't be told.
	What string `json:"what"`
	// File is where Mend belongs, such as "Caddyfile" or "LocalSettings.php"; empty where that is no line of a file.
	File string `json:"file,omitempty"`
	// Mend is the line that mends it; of [Untold], how to try. Empty for [OK].
	Mend string `json:"mend,omitempty"`
}

// Files that findings are mended in.
const (
	Caddyfile     = "Caddyfile"
	LocalSettings = "LocalSettings.php"
)

// Bad reports whether something is to be mended.
func (f Finding) Bad() bool { return f.Level == Error || f.Level == Warning }

var order = []Level{Error, Warning, Untold, OK}

// Sort puts the worst findings first.
func Sort(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(slices.Index(order, a.Level)-slices.Index(order, b.Level), cmp.Compare(a.Check, b.Check))
	})
}

// Write prints findings for people, each with what mends it below.
func Write(out io.Writer, findings []Finding) {
	for _, f := range findings {
		fmt.Fprintf(out, "%-8s %s: %s\n", f.Level, f.Check, f.What)
		if f.Mend == "" {
			continue
		}
		where := ""
		if f.File != "" {
			where = f.File + ": "
		}
		fmt.Fprintf(out, "%8s %s%s\n", "->", where, f.Mend)
	}
}
