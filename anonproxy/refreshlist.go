package anonproxy

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// refreshFilePoll is how often a file of paths is looked at.
const refreshFilePoll = 10 * time.Second

// refreshList is what a declaration has refreshed, its file included.
type refreshList struct {
	seen   os.FileInfo // of the file that was read; nil: none was
	file   []string
	failed string // why the file can't be used, as it was logged
}

// read returns all entries, and whether they may have changed. An error is told once;
// what the file said before goes on to hold.
func (l *refreshList) read(tool *noticeboard.Tool, always bool) (entries []string, changed bool, err error) {
	if tool.RefreshFile == "" {
		l.seen, l.file = nil, nil
		return tool.Refresh, always, nil
	}
	changed, err = l.readFile(tool)
	switch {
	case err == nil:
		l.failed = ""
	case err.Error() == l.failed:
		err = nil
	default:
		l.failed = err.Error()
	}
	if !changed && !always {
		return nil, false, err
	}
	return append(append(make([]string, 0, len(tool.Refresh)+len(l.file)), tool.Refresh...), l.file...), true, err
}

// readFile reads the file if it may have changed.
func (l *refreshList) readFile(tool *noticeboard.Tool) (changed bool, err error) {
	now, err := os.Stat(tool.RefreshFile)
	switch {
	case err != nil:
		return false, fmt.Errorf("reading refresh_file: %w", err)
	case !now.Mode().IsRegular(): // opening a pipe would wait for its writer
		return false, fmt.Errorf("reading refresh_file: %s isn't a file", tool.RefreshFile)
	case l.seen != nil && os.SameFile(now, l.seen) && now.ModTime().Equal(l.seen.ModTime()) && now.Size() == l.seen.Size():
		return false, nil
	}
	f, err := os.Open(tool.RefreshFile)
	if err != nil {
		return false, fmt.Errorf("reading refresh_file: %w", err)
	}
	defer f.Close()
	list, err := tool.ReadRefreshFile(f)
	if err != nil {
		l.seen = now // not again until it changes
		return false, fmt.Errorf("reading refresh_file %s: %w", tool.RefreshFile, err)
	}
	l.seen, l.file = now, list
	return true, nil
}

// endings tell the kind of use by the path's.
var endings = map[string]noticeboard.Kind{
	".apng": noticeboard.Img, ".avif": noticeboard.Img, ".bmp": noticeboard.Img, ".gif": noticeboard.Img, ".ico": noticeboard.Img,
	".jpeg": noticeboard.Img, ".jpg": noticeboard.Img, ".png": noticeboard.Img, ".svg": noticeboard.Img, ".webp": noticeboard.Img,
	".otf": noticeboard.Font, ".ttc": noticeboard.Font, ".ttf": noticeboard.Font, ".woff": noticeboard.Font, ".woff2": noticeboard.Font,
	".css": noticeboard.Style,
	".aac": noticeboard.Media, ".flac": noticeboard.Media, ".m4a": noticeboard.Media, ".mp3": noticeboard.Media, ".mp4": noticeboard.Media,
	".oga": noticeboard.Media, ".ogg": noticeboard.Media, ".ogv": noticeboard.Media, ".opus": noticeboard.Media, ".vtt": noticeboard.Media,
	".wav": noticeboard.Media, ".webm": noticeboard.Media,
	".csv": noticeboard.Data, ".geojson": noticeboard.Data, ".json": noticeboard.Data, ".tsv": noticeboard.Data, ".txt": noticeboard.Data,
}

// refreshAsk makes an entry the request that a reader's browser makes of it.
func refreshAsk(tool *noticeboard.Tool, entry string) (request, *refusal.Refusal) {
	kind, rest, err := noticeboard.ParseRefresh(entry)
	if err != nil {
		return request{}, outcomes.BadRequest(400, err.Error())
	}
	u, err := url.ParseRequestURI("/" + tool.Name + rest)
	if err != nil {
		return request{}, outcomes.BadRequest(400, "the path can't be read")
	}
	t, refused := splitTarget("/", u)
	if refused != nil {
		return request{}, refused
	}
	if kind == "" {
		kind = likelyKind(tool, t.path)
	}
	return request{target: t, method: "GET", kind: kind}, nil
}

// likelyKind is the use of a path by its ending, or data, or the first kind that the
// tool declares.
func likelyKind(tool *noticeboard.Tool, name string) noticeboard.Kind {
	if kind, ok := endings[strings.ToLower(path.Ext(name))]; ok && tool.Has(kind) {
		return kind
	}
	if tool.Has(noticeboard.Data) {
		return noticeboard.Data
	}
	return tool.Kinds[0]
}
