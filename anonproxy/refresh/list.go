package refresh

import (
	"fmt"
	"os"
	"time"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// filePoll is how often a file of paths is looked at.
const filePoll = 10 * time.Second

// pathList is what a declaration has refreshed, its file included.
type pathList struct {
	seen   os.FileInfo // of the file that was read; nil: none was
	file   []string
	failed string // why the file can't be used, as it was logged
}

// read returns all entries, and whether they may have changed. An error is told once;
// what the file said before goes on to hold.
func (l *pathList) read(tool *noticeboard.Tool, always bool) (entries []string, changed bool, err error) {
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
func (l *pathList) readFile(tool *noticeboard.Tool) (changed bool, err error) {
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
