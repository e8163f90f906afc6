package noticeboard

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a tool's RefreshFile.
const (
	maxRefreshPaths = 1_000_000
	maxRefreshFile  = 128 << 20 // bytes
)

// ParseRefresh reads an entry of [Tool.Refresh]: a path with a query if need be, as
// it is sent, and before it, with a blank between, the kind of use where the path
// doesn't show it. The kind is empty where none is given.
func ParseRefresh(entry string) (kind Kind, path string, err error) {
	path = entry
	if before, after, ok := strings.Cut(entry, " "); ok {
		if kind = Kind(before); !slices.Contains(Kinds(), kind) {
			return "", "", fmt.Errorf("%q isn't a kind: use one of %v, a blank and the path, or the path alone", before, Kinds())
		}
		path = after
	}
	if !isRequestPath(path) {
		return "", "", fmt.Errorf("%q isn't a path such as /data/today.json, with a query if need be", path)
	}
	return kind, path, nil
}

// ReadRefreshFile reads the list of a tool's RefreshFile: an entry on each line, as
// [ParseRefresh] reads it. Empty lines and those that begin with # are left out. The
// kinds must be the tool's. An error names the line, and not what stands on it.
func (t *Tool) ReadRefreshFile(from io.Reader) ([]string, error) {
	lines := bufio.NewScanner(io.LimitReader(from, maxRefreshFile+1))
	lines.Buffer(nil, 16<<10)
	var list []string
	n, size := 0, 0
	for lines.Scan() {
		n++
		size += len(lines.Bytes()) + 1
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		kind, _, err := ParseRefresh(line)
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d isn't a path such as /data/today.json, with a kind and a blank before it if need be", n)
		case kind != "" && !t.Has(kind):
			return nil, fmt.Errorf("line %d is for a kind that the tool doesn't declare", n)
		case len(list) == maxRefreshPaths:
			return nil, fmt.Errorf("more than %d paths", maxRefreshPaths)
		}
		list = append(list, line)
	}
	switch err := lines.Err(); {
	case size > maxRefreshFile:
		return nil, fmt.Errorf("larger than %d bytes", maxRefreshFile)
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d is too long", n+1)
	case err != nil:
		return nil, err
	}
	return list, nil
}

// checkRefresh checks what the edge asks for by itself.
func (t *Tool) checkRefresh() *Error {
	if len(t.Refresh) > maxRefresh {
		return wrong("refresh", "refresh has more than %d paths: put them into a refresh_file", maxRefresh)
	}
	for _, entry := range t.Refresh {
		kind, _, err := ParseRefresh(entry)
		if err != nil {
			return wrong("refresh", "refresh %v", err)
		}
		if kind != "" && !t.Has(kind) {
			return wrong("refresh", "refresh %q is for a kind that isn't among the kinds", entry)
		}
	}
	if f := t.RefreshFile; len(f) > 4096 || !utf8.ValidString(f) || strings.ContainsFunc(f, unicode.IsControl) {
		return wrong("refresh_file", "refresh_file isn't the path of a file")
	}
	every := t.RefreshEvery.span()
	switch {
	case every != 0 && (every < minRefreshEvery || every > maxRefreshEvery):
		return wrong("refresh_every", "refresh_every must be from %s to a day", minRefreshEvery)
	case every != 0 && !t.Refreshes():
		return wrong("refresh_every", "refresh_every says how often the paths of refresh are asked for: add refresh or refresh_file, or leave it out")
	case t.Pseudonym && t.Refreshes():
		field := "refresh"
		if len(t.Refresh) == 0 {
			field = "refresh_file"
		}
		return wrong(field, "%s fills the shared cache, which a tool with a pseudonym can't have: leave one of them out", field)
	}
	return nil
}

// Refreshes reports whether the edge asks for paths of the tool by itself.
func (t *Tool) Refreshes() bool { return len(t.Refresh) > 0 || t.RefreshFile != "" }
