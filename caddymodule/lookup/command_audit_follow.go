package lookup

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/internal/durable"
	"github.com/wikiveil/wikiveil/internal/text"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

const (
	// followTries is how many requests a site gets until the right one of its nodes responds.
	followTries = 20
	// followStale is how old a checkpoint that is renewed once a day can be where its edge runs.
	followStale = 72 * time.Hour
)

func auditFollowCommand() *cobra.Command {
	c := auditCommand("follow <site>", "Proves that a site's audit logs, such as https://wiki.example has, continue saved checkpoints", cobra.ExactArgs(1), runAuditFollow)
	addSavedFlag(c)
	c.Flags().String("save", "", "The file for what the site shows now, once that is proved: to follow next time")
	c.Flags().String("witness", "", "A name, such as witness.example, to cosign what is saved by")
	c.Flags().String("key", "", "The file of the witness's key, made if there is none")
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
	place, _ := cmd.Flags().GetString("save")
	witness, err := witnessFlag(cmd)
	if err != nil {
		return err
	}
	if witness != nil && place == "" {
		return errors.New("say by --save where what the witness cosigns goes")
	}
	// Each request on a connection of its own, so that another node may respond.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	f := &follower{site: site, client: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
	now, err := f.follow(cmd.Context(), cmd.OutOrStdout(), saved)
	if err != nil || place == "" {
		return err
	}
	if witness != nil {
		for i, c := range now.Checkpoints {
			if now.Checkpoints[i], err = witness.Cosign(c); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "cosigned by %s\n", witness.VerifierKey()); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(now, "", "  ")
	if err != nil {
		return err
	}
	return durable.Replace(place, append(data, '\n'))
}

// witnessFlag returns the witness of --witness and --key, nil if none is asked for.
func witnessFlag(cmd *cobra.Command) (*audit.Witness, error) {
	name, _ := cmd.Flags().GetString("witness")
	file, _ := cmd.Flags().GetString("key")
	if name == "" && file == "" {
		return nil, nil
	}
	if name == "" || file == "" {
		return nil, errors.New("a witness needs both --witness and --key")
	}
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		seed := make([]byte, ed25519.SeedSize)
		rand.Read(seed) // never fails
		err := durable.Create(file, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%x\n", seed)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("making the witness's key: %w", err)
		}
	}
	data, err := text.ReadFile(file, 1<<10)
	if err != nil {
		return nil, fmt.Errorf("reading the witness's key: %w", err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(data)))
	if err != nil {
		return nil, fmt.Errorf("%s is not a witness's key: it is not in hex", file)
	}
	return audit.NewWitness(name, seed)
}

// follower proves from what a site shows to everybody that nothing vanished.
type follower struct {
	site   *url.URL
	client *http.Client
}

// follow returns what the site shows of the logs that were saved.
func (f *follower) follow(ctx context.Context, to io.Writer, saved publishedLogs) (followed publishedLogs, err error) {
	var shown publishedLogs
	if err := f.get(ctx, checkpointPath, url.Values{"format": {"json"}}, &shown); err != nil {
		return followed, err
	}
	followed.PublicKey = shown.PublicKey
	key, err := hex.DecodeString(shown.PublicKey)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return followed, errors.New("the site shows no public key")
	}
	if saved.PublicKey != "" && saved.PublicKey != shown.PublicKey {
		return followed, fmt.Errorf("%w: the site has another public key than what was saved", audit.ErrWrongKeys)
	}
	for _, earlier := range saved.Checkpoints {
		now, err := f.one(ctx, key, shown.Checkpoints, earlier)
		if err != nil {
			return followed, fmt.Errorf("node %s, checkpoint of %s: %w", earlier.Node, earlier.Time.Format(time.RFC3339), err)
		}
		_, err = fmt.Fprintf(to, "node %s: %d entries, %d of them reveals, since %s; nothing has vanished (%d entries, %d reveals ever)\n",
			now.Node, now.Entries-earlier.Entries, now.Reveals-earlier.Reveals, earlier.Time.Format(time.RFC3339), now.Entries, now.Reveals)
		if err != nil {
			return followed, err
		}
		if !slices.Contains(followed.Checkpoints, now) { // as a receipt of the same node leads to it, too
			followed.Checkpoints = append(followed.Checkpoints, now)
		}
	}
	return followed, nil
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
		var answer proofResponse
		if now.Log == earlier.Log && now.Entries > earlier.Entries {
			query := url.Values{"node": {now.Node}, "log": {now.Log.String()}, "entries": {strconv.FormatUint(earlier.Entries, 10)}}
			if err := f.get(ctx, proofPath, query, &answer); err != nil {
				return audit.Checkpoint{}, err
			}
			if answer.Checkpoint.Note != now.Note {
				return audit.Checkpoint{}, errors.New("the site proves another checkpoint than it shows: it has a new one once a day, so ask again in a minute")
			}
		}
		return now, now.Follows(earlier, answer.Proof)
	}
	return audit.Checkpoint{}, fmt.Errorf("%w: the site no longer shows a log of that node", audit.ErrInconsistent)
}

// get sends the request to the site, again as long as another node responds than the one that is meant.
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
