package tools

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/wikiveil/wikiveil/anonproxy/selfcheck"
	"github.com/wikiveil/wikiveil/internal/text"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// maxSiteResponse bounds what is read of a site, in bytes: a noticeboard may be long.
const maxSiteResponse = 64 << 20

func toolsVerifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify <address or file>...",
		Short: "Checks a transcript of what a tool gets; exits with 1 if anything is wrong",
		Long: `
Reads transcripts from a wiki, such as https://wiki.example/.tools/maps/transcript, or from
saved files, and checks the signature, the age, that the declaration is the one on the
noticeboard now, that the bytes of both invented readers were equal, and that
nothing is in them but the constants of every request. It needs no running server.

Of several transcripts of one tool it also checks that the later continue the earlier; only
the latest must be of now. The key is the site's own unless --key gives one: keep it, and give
it from then on, for else a site could change it and all that it ever signed.

A transcript is the edge's own word. The tool's owner can compare the request that is
printed with what arrives; nobody else can know that an edge doesn't lie.`,
		Args: cobra.MinimumNArgs(1),
		RunE: runToolsVerify,
	}
	c.Flags().String("key", "", "The public key, or a file with it or with a saved answer of "+transcriptsPath)
	c.Flags().Duration("max-age", 0, "How old the latest transcript may be (default: three of its intervals)")
	c.Flags().Bool("json", false, "Print the verdict as JSON")
	return c
}

// verdict is what is found about one transcript.
type verdict struct {
	From string `json:"from"`
	OK   bool   `json:"ok"`
	// Reasons are what is wrong.
	Reasons []string `json:"reasons,omitempty"`
	// Pinned is whether the key was given, and not taken from the site itself.
	Pinned    bool   `json:"key_pinned"`
	PublicKey string `json:"public_key,omitempty"`
	// Noticeboard is whether the declaration was compared with that on the noticeboard.
	Noticeboard bool                  `json:"noticeboard_compared"`
	Transcript  *selfcheck.Transcript `json:"transcript,omitempty"`

	expect selfcheck.Expect
}

func (v *verdict) fail(err error) {
	if err != nil {
		v.OK = false
		v.Reasons = append(v.Reasons, strings.Split(err.Error(), "\n")...)
	}
}

func runToolsVerify(cmd *cobra.Command, args []string) error {
	key, _ := cmd.Flags().GetString("key")
	if key != "" {
		var err error
		if key, err = givenKey(key); err != nil {
			return fmt.Errorf("reading the key: %w", err)
		}
	}
	maxAge, _ := cmd.Flags().GetDuration("max-age")
	if maxAge < 0 {
		return errors.New("max-age must not be negative")
	}
	var verdicts []*verdict
	for _, from := range args {
		v := &verdict{From: from, OK: true, Pinned: key != "", PublicKey: key}
		v.fail(v.open(cmd.Context()))
		verdicts = append(verdicts, v)
	}
	checkTranscripts(verdicts, maxAge)
	var out bytes.Buffer
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		encoder := json.NewEncoder(&out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(verdicts); err != nil {
			return err
		}
	} else {
		for _, v := range verdicts {
			v.print(&out)
		}
	}
	if _, err := cmd.OutOrStdout().Write(out.Bytes()); err != nil {
		return err
	}
	for _, v := range verdicts {
		if !v.OK {
			return fmt.Errorf("%s: FAILED: %s", v.From, strings.Join(v.Reasons, "; "))
		}
	}
	return nil
}

// open reads a transcript and checks its signature.
func (v *verdict) open(ctx context.Context) (err error) {
	var data []byte
	switch {
	case strings.HasPrefix(v.From, "https://") || strings.HasPrefix(v.From, "http://"):
		data, err = v.fetch(ctx)
	case v.PublicKey == "":
		err = errors.New("give the public key by --key: a file can't vouch for itself")
	default:
		data, err = text.ReadFile(v.From, selfcheck.MaxSize)
	}
	if err != nil {
		return err
	}
	key, err := note.NewVerifier(v.PublicKey)
	if err != nil {
		return err
	}
	v.Transcript, err = selfcheck.Open(data, key)
	return err
}

// checkTranscripts checks what opened transcripts say: the latest of each tool must be of now, and continue the others.
func checkTranscripts(verdicts []*verdict, maxAge time.Duration) {
	opened := slices.DeleteFunc(slices.Clone(verdicts), func(v *verdict) bool { return v.Transcript == nil })
	chain := func(v *verdict) string { return v.Transcript.Prefix + v.Transcript.Tool.Name }
	slices.SortStableFunc(opened, func(a, b *verdict) int {
		return cmp.Or(strings.Compare(chain(a), chain(b)), cmp.Compare(a.Transcript.Sequence, b.Transcript.Sequence))
	})
	for i, v := range opened {
		v.expect.Now, v.expect.MaxAge = time.Now(), maxAge
		if i+1 < len(opened) && chain(opened[i+1]) == chain(v) {
			v.expect.MaxAge = -1
		}
		v.fail(v.Transcript.Verify(v.expect))
		if i > 0 && chain(opened[i-1]) == chain(v) {
			v.fail(v.Transcript.Follows(opened[i-1].Transcript))
		}
	}
}

// fetch gets a transcript, the site's key and the tool's declaration.
func (v *verdict) fetch(ctx context.Context) ([]byte, error) {
	at, err := url.Parse(v.From)
	if err != nil {
		return nil, err
	}
	below, ok := strings.CutSuffix(at.Path, noticeboard.TranscriptPath)
	prefix, tool := path.Split(below)
	if !ok || tool == "" || prefix == "" {
		return nil, errors.New("it is not the address of a transcript, such as https://wiki.example/.tools/maps/transcript")
	}
	v.expect.Prefix = prefix
	data, err := fetchSite(ctx, at, at.Path, "note")
	if err != nil {
		return nil, err
	}
	if v.PublicKey == "" {
		shown, err := fetchSite(ctx, at, transcriptsPath, "json")
		if err != nil {
			return nil, err
		}
		if v.PublicKey, err = parseKey(shown); err != nil {
			return nil, fmt.Errorf("reading %s: %w", transcriptsPath, err)
		}
	}
	board, err := fetchSite(ctx, at, prefix, "json")
	if err != nil {
		return nil, err
	}
	v.expect.Declaration, err = declarationHash(board, tool)
	v.Noticeboard = err == nil
	return data, err
}

// declarationHash is that of a tool on a noticeboard, whatever that says it is.
func declarationHash(board []byte, name string) (string, error) {
	var list struct {
		Tools []*noticeboard.Tool `json:"tools"`
	}
	if err := json.Unmarshal(board, &list); err != nil {
		return "", errors.New("the noticeboard's answer is not of its form")
	}
	for _, tool := range list.Tools {
		if tool != nil && tool.Name == name {
			return tool.Hash(), nil
		}
	}
	return "", errors.New("the noticeboard has no such tool now")
}

// fetchSite reads a path of a site.
func fetchSite(ctx context.Context, site *url.URL, path, format string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	at := url.URL{Scheme: site.Scheme, User: site.User, Host: site.Host, Path: path, RawQuery: "format=" + format}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking the site: %w", err)
	}
	defer resp.Body.Close()
	data, err := text.ReadUpTo(resp.Body, "the site's answer under "+path, maxSiteResponse)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("it answers under %s with %d: %q", path, resp.StatusCode, strings.TrimSpace(string(data[:min(len(data), 200)])))
	}
	if err != nil {
		return nil, fmt.Errorf("asking the site: %w", err)
	}
	return data, nil
}

// givenKey reads the key of --key.
func givenKey(given string) (string, error) {
	key, err := parseKey([]byte(given))
	if err == nil {
		return key, nil
	}
	data, fileErr := text.ReadFile(given, selfcheck.MaxSize)
	if fileErr != nil {
		return "", fmt.Errorf("it is neither a key (%w) nor a file", err)
	}
	return parseKey(data)
}

// parseKey reads a public key, or JSON that has one.
func parseKey(data []byte) (string, error) {
	text := strings.TrimSpace(string(data))
	var saved publishedTranscripts
	if json.Unmarshal(data, &saved) == nil && saved.PublicKey != "" {
		text = saved.PublicKey
	}
	if key, err := note.NewVerifier(text); err != nil || key.Name() != transcriptSigner { // names may hold control bytes
		return "", errors.New("not a public key such as " + transcriptSigner + "+0a1b2c3d+AR…")
	}
	return text, nil
}

func (v *verdict) print(out io.Writer) {
	if !v.OK {
		fmt.Fprintf(out, "FAILED: %s\n", v.From)
		for _, reason := range v.Reasons {
			fmt.Fprintf(out, "  %q\n", reason) // quoted: a stranger's words may hold control bytes
		}
		return
	}
	t := v.Transcript
	but := ""
	if t.Tool.Pseudonym {
		but = ", but for a day by the name that it gets for each"
	}
	fmt.Fprintf(out, "OK: %s: the tool %q can't tell readers apart by its requests%s.\n", v.From, t.Tool.Name, but)
	fmt.Fprintf(out, "transcript:   number %d, of %s, by %q\n", t.Sequence, t.Time.UTC().Format(time.RFC3339), t.Edge.Version)
	declaration := "not compared with the noticeboard: give the address of the transcript for that"
	if v.Noticeboard {
		declaration = "as on the noticeboard"
	}
	fmt.Fprintf(out, "declaration:  %q, %s\n", t.Tool.Hash(), declaration)
	key := "the site's own word: keep it, and give it by --key from now on"
	if v.Pinned {
		key = "as given"
	}
	fmt.Fprintf(out, "public key:   %s, %s\n", v.PublicKey, key)
	for _, q := range t.Requests {
		text := selfcheck.Text(q.Protocol, q.Bytes) // of known constants
		if q.Refused != "" {
			text = fmt.Sprintf("nothing is sent: %q", q.Refused)
		}
		fmt.Fprintf(out, "\n%v:\n  %s\n", q, strings.ReplaceAll(strings.ReplaceAll(text, "\r", ""), "\n", "\n  "))
	}
	fmt.Fprint(out, "\nThis is the edge's own word. What arrives at the tool, its owner can compare.\n\n")
}
