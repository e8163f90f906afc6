package caddymodule

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/lookup/audit"
)

const (
	// followTries is how often a site is asked until the right one of its nodes answers.
	followTries = 20
	// followStale is how old a checkpoint that is renewed once a day can be where its edge runs.
	followStale = 72 * time.Hour
	// maxFollow bounds the links that are kept in memory, some 170 MB.
	maxFollow = 5_000_000
)

func auditFollowCommand() *cobra.Command {
	c := auditCommand("follow <site>", "Proves that a site's audit logs, such as https://wiki.example has, continue saved checkpoints", cobra.ExactArgs(1), runAuditFollow)
	addSavedFlag(c)
	return c
}

func runAuditFollow(cmd *cobra.Command, args []string) error {
	saved, err := savedFlag(cmd)
	if err != nil {
		return err
	}
	if len(saved.Checkpoints) == 0 {
		return errors.New("give the checkpoints to follow by --checkpoint, a saved answer of the site's " + checkpointPath + ", or by --receipt")
	}
	site, err := url.Parse(args[0])
	if err != nil || site.Scheme != "https" && site.Scheme != "http" || site.Host == "" || strings.Trim(site.Path, "/") != "" {
		return errors.New("the site is not an address such as https://wiki.example")
	}
	// Each question on a connection of its own, so that another node may answer.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	f := &follower{site: site, client: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
	return f.follow(cmd.Context(), cmd.OutOrStdout(), saved)
}

// follower proves from what a site shows to everybody that nothing vanished.
type follower struct {
	site   *url.URL
	client *http.Client
}

func (f *follower) follow(ctx context.Context, to io.Writer, saved publishedLogs) error {
	var shown publishedLogs
	if err := f.get(ctx, checkpointPath, url.Values{"format": {"json"}}, &shown); err != nil {
		return err
	}
	key, err := hex.DecodeString(shown.PublicKey)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return errors.New("the site shows no public key")
	}
	if saved.PublicKey != "" && saved.PublicKey != shown.PublicKey {
		return fmt.Errorf("%w: the site has another public key than what was saved", audit.ErrWrongKeys)
	}
	for _, earlier := range saved.Checkpoints {
		now, err := f.one(ctx, key, shown.Checkpoints, earlier)
		if err != nil {
			return fmt.Errorf("node %s, checkpoint of %s: %w", earlier.Node, earlier.Time.Format(time.RFC3339), err)
		}
		_, err = fmt.Fprintf(to, "node %s: %d entries, %d of them reveals, since %s; nothing has vanished (%d entries, %d reveals ever)\n",
			now.Node, now.Entries-earlier.Entries, now.Reveals-earlier.Reveals, earlier.Time.Format(time.RFC3339), now.Entries, now.Reveals)
		if err != nil {
			return err
		}
	}
	return nil
}

// one returns the checkpoint that is shown now and continues an earlier one.
func (f *follower) one(ctx context.Context, key ed25519.PublicKey, shown []audit.Checkpoint, earlier audit.Checkpoint) (audit.Checkpoint, error) {
	if err := earlier.Verify(key); err != nil {
		return audit.Checkpoint{}, fmt.Errorf("what was saved: %w", err)
	}
	for _, now := range shown {
		if now.Node != earlier.Node {
			continue
		}
		if err := now.Verify(key); err != nil {
			return audit.Checkpoint{}, fmt.Errorf("what the site shows: %w", err)
		}
		if now.Time.Before(earlier.Time) {
			return audit.Checkpoint{}, fmt.Errorf("the site shows an older checkpoint, of %s: it is renewed once a day, so ask again tomorrow, and if it is the same then, the log was put back",
				now.Time.Format(time.RFC3339))
		}
		if age := time.Since(now.Time); age > followStale {
			return audit.Checkpoint{}, fmt.Errorf("the node has published nothing since %s: its edge isn't running, or its log was taken away",
				now.Time.Format(time.RFC3339))
		}
		var links []audit.Link
		if now.Log == earlier.Log && now.Entries > earlier.Entries {
			var err error
			if links, err = f.links(ctx, now, earlier.Entries); err != nil {
				return audit.Checkpoint{}, err
			}
		}
		return now, now.Follows(earlier, links)
	}
	return audit.Checkpoint{}, fmt.Errorf("%w: the site no longer shows a log of that node", audit.ErrInconsistent)
}

// links asks for the links of the entries after a sequence, up to a checkpoint.
func (f *follower) links(ctx context.Context, to audit.Checkpoint, after uint64) ([]audit.Link, error) {
	if to.Entries-after > maxFollow {
		return nil, fmt.Errorf("%d entries are too many to follow at once", to.Entries-after)
	}
	var links []audit.Link
	for after < to.Entries {
		var answer linksAnswer
		limit := min(maxLinks, to.Entries-after)
		err := f.get(ctx, linksPath, url.Values{"node": {to.Node}, "log": {to.Log.String()},
			"after": {strconv.FormatUint(after, 10)}, "limit": {strconv.FormatUint(limit, 10)}}, &answer)
		if err != nil {
			return nil, err
		}
		if n := uint64(len(answer.Links)); n == 0 || n > limit {
			return nil, fmt.Errorf("%w: the site gives %d links after entry %d, where %d are asked for", audit.ErrInconsistent, n, after, limit)
		}
		links = append(links, answer.Links...)
		after += uint64(len(answer.Links))
	}
	return links, nil
}

// get asks the site, as often as another node answers than the one that is meant.
func (f *follower) get(ctx context.Context, path string, query url.Values, into any) error {
	at := *f.site
	at.Path, at.RawQuery = path, query.Encode()
	for try := 1; ; try++ {
		status, data, err := f.getOnce(ctx, at.String())
		if err != nil {
			return fmt.Errorf("asking the site: %w", err)
		}
		switch {
		case status == http.StatusOK:
			if err := json.Unmarshal(data, into); err != nil {
				return fmt.Errorf("the site's answer under %s is not of its form", path)
			}
			return nil
		case status == http.StatusGone:
			return audit.ErrPruned
		case status != http.StatusMisdirectedRequest || try == followTries:
			var why failure
			if json.Unmarshal(data, &why) != nil || why.Error == "" {
				why.Error = http.StatusText(status)
			}
			return fmt.Errorf("the site answers under %s with %d: %q", path, status, why.Error)
		}
	}
}

func (f *follower) getOnce(ctx context.Context, at string) (status int, data []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Cache-Control", "no-cache") // what stands in a cache may be older than what was saved
	resp, err := f.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	data, err = io.ReadAll(io.LimitReader(resp.Body, maxAuditBody))
	return resp.StatusCode, data, err
}
