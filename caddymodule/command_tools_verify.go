package caddymodule

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
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

	"github.com/wikiveil/wikiveil/anonproxy/canary"
	"github.com/wikiveil/wikiveil/noticeboard"
)

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
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			return runToolsVerify(cmd, args)
		},
	}
	c.Flags().String("key", "", "The public key in hex or base64, or a file with it or with a saved answer of "+transcriptsPath)
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
	Noticeboard bool               `json:"noticeboard_compared"`
	Transcript  *canary.Transcript `json:"transcript,omitempty"`

	digest string
	expect canary.Expect
}

func (v *verdict) fail(err error) {
	if err != nil {
		v.OK = false
		v.Reasons = append(v.Reasons, strings.Split(err.Error(), "\n")...)
	}
}

func runToolsVerify(cmd *cobra.Command, args []string) error {
	given, err := keyFlag(cmd)
	if err != nil {
		return err
	}
	maxAge, _ := cmd.Flags().GetDuration("max-age")
	if maxAge < 0 {
		return errors.New("max-age must not be negative")
	}
	verifier := transcriptVerifier{client: &http.Client{Timeout: 30 * time.Second}, key: given, maxAge: maxAge}
	var verdicts []*verdict
	for _, arg := range args {
		verdicts = append(verdicts, verifier.open(cmd.Context(), arg))
	}
	verifier.check(verdicts)
	asJSON, _ := cmd.Flags().GetBool("json")
	if err := printVerdicts(cmd.OutOrStdout(), verdicts, asJSON); err != nil {
		return err
	}
	for _, v := range verdicts {
		if !v.OK {
			return fmt.Errorf("%s: FAILED: %s", v.From, strings.Join(v.Reasons, "; "))
		}
	}
	return nil
}

// transcriptVerifier reads transcripts and what they are to be compared with.
type transcriptVerifier struct {
	client *http.Client
	key    ed25519.PublicKey // nil: the site's own
	maxAge time.Duration     // 0: the default
}

// open reads a transcript and checks its signature.
func (f *transcriptVerifier) open(ctx context.Context, from string) *verdict {
	v := &verdict{From: from, OK: true, Pinned: f.key != nil}
	var data []byte
	var err error
	key := f.key
	if strings.HasPrefix(from, "https://") || strings.HasPrefix(from, "http://") {
		data, key, err = f.fetch(ctx, v, from)
	} else {
		data, err = readFile(from, canary.MaxSize+1)
		if err == nil && key == nil {
			err = errors.New("give the public key by --key: a file can't vouch for itself")
		}
	}
	if err == nil {
		v.PublicKey = hex.EncodeToString(key)
		v.Transcript, err = canary.Open(bytes.TrimSpace(data), key)
	}
	if err == nil {
		v.digest, err = canary.Digest(bytes.TrimSpace(data))
	}
	v.fail(err)
	return v
}

// check checks what opened transcripts say: the latest of each tool must be of now.
func (f *transcriptVerifier) check(verdicts []*verdict) {
	opened := slices.DeleteFunc(slices.Clone(verdicts), func(v *verdict) bool { return v.Transcript == nil })
	slices.SortStableFunc(opened, func(a, b *verdict) int {
		return cmp.Or(strings.Compare(a.Transcript.Prefix+a.Transcript.Tool, b.Transcript.Prefix+b.Transcript.Tool),
			cmp.Compare(a.Transcript.Sequence, b.Transcript.Sequence))
	})
	for i, v := range opened {
		latest := i == len(opened)-1 || opened[i+1].Transcript.Tool != v.Transcript.Tool || opened[i+1].Transcript.Prefix != v.Transcript.Prefix
		v.expect.Now, v.expect.MaxAge = time.Now(), f.maxAge
		if !latest {
			v.expect.MaxAge = -1
		}
		v.fail(v.Transcript.Verify(v.expect))
		if i > 0 && opened[i-1].Transcript.Tool == v.Transcript.Tool && opened[i-1].Transcript.Prefix == v.Transcript.Prefix {
			_, err := v.Transcript.Follows(opened[i-1].Transcript, v.digest, opened[i-1].digest)
			v.fail(err)
		}
	}
}

// fetch gets a transcript, the site's key and the tool's declaration.
func (f *transcriptVerifier) fetch(ctx context.Context, v *verdict, from string) ([]byte, ed25519.PublicKey, error) {
	at, err := url.Parse(from)
	prefix, tool := "", ""
	if err == nil {
		below, ok := strings.CutSuffix(at.Path, noticeboard.TranscriptPath)
		if prefix, tool = path.Split(below); !ok || tool == "" || prefix == "" {
			err = errors.New("no transcript's path")
		}
	}
	if err != nil {
		return nil, nil, errors.New("it is not the address of a transcript, such as https://wiki.example/.tools/maps/transcript")
	}
	v.expect.Tool, v.expect.Prefix = tool, prefix
	data, err := f.get(ctx, at, at.Path)
	if err != nil {
		return nil, nil, err
	}
	key := f.key
	if key == nil {
		shown, err := f.get(ctx, at, transcriptsPath)
		if err != nil {
			return nil, nil, err
		}
		if key, err = parseKey(shown); err != nil {
			return nil, nil, fmt.Errorf("reading %s: %w", transcriptsPath, err)
		}
	}
	board, err := f.get(ctx, at, prefix)
	if err != nil {
		return nil, nil, err
	}
	return data, key, v.declared(board, tool)
}

// declared takes the tool's declaration from the noticeboard.
func (v *verdict) declared(board []byte, name string) error {
	var list struct {
		Tools []json.RawMessage `json:"tools"`
	}
	if err := json.Unmarshal(board, &list); err != nil {
		return errors.New("the noticeboard's answer is not of its form")
	}
	for _, entry := range list.Tools {
		tool := new(noticeboard.Tool)
		var hash struct {
			Declaration string `json:"declaration_hash"`
		}
		if json.Unmarshal(entry, tool) != nil || json.Unmarshal(entry, &hash) != nil || tool.Name != name {
			continue
		}
		if tool.Hash() != hash.Declaration {
			return errors.New("the declaration on the noticeboard isn't what its hash is of; or the site has another version of Wikiveil, with fields that this one doesn't know")
		}
		v.expect.Declaration, v.expect.Declared, v.Noticeboard = hash.Declaration, tool, true
		return nil
	}
	return errors.New("the noticeboard has no such tool now")
}

// get reads a path of the site.
func (f *transcriptVerifier) get(ctx context.Context, site *url.URL, path string) ([]byte, error) {
	at := *site
	at.Path, at.RawPath, at.RawQuery, at.Fragment = path, "", "format=json", ""
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	resp, err := f.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking the site: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxSiteAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("asking the site: %w", err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the site answers under %s with %d: %q", path, resp.StatusCode, strings.TrimSpace(string(data[:min(len(data), 200)])))
	case len(data) > maxSiteAnswer:
		return nil, fmt.Errorf("the site's answer under %s is too long", path)
	}
	return data, nil
}

// maxSiteAnswer bounds what is read of a site, in bytes: a noticeboard may be long.
const maxSiteAnswer = 64 << 20

// keyFlag reads the key of --key; nil is none.
func keyFlag(cmd *cobra.Command) (ed25519.PublicKey, error) {
	text, _ := cmd.Flags().GetString("key")
	if text == "" {
		return nil, nil
	}
	key, err := parseKey([]byte(text))
	if err == nil {
		return key, nil
	}
	data, fileErr := readFile(text, canary.MaxSize+1)
	if fileErr != nil {
		return nil, fmt.Errorf("reading the key: it is neither a key (%w) nor a file", err)
	}
	if key, err = parseKey(data); err != nil {
		return nil, fmt.Errorf("reading the key in %s: %w", text, err)
	}
	return key, nil
}

// parseKey reads a public key in hex or base64, or JSON that has one.
func parseKey(data []byte) (ed25519.PublicKey, error) {
	text := strings.TrimSpace(string(data))
	var saved struct {
		PublicKey string `json:"public_key"`
	}
	if json.Unmarshal(data, &saved) == nil && saved.PublicKey != "" {
		text = saved.PublicKey
	}
	key, err := hex.DecodeString(text)
	if err != nil {
		key, err = base64.StdEncoding.DecodeString(text)
	}
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("not the %d bytes of an Ed25519 key in hex or base64", ed25519.PublicKeySize)
	}
	return key, nil
}

func printVerdicts(to io.Writer, verdicts []*verdict, asJSON bool) error {
	var out bytes.Buffer
	if asJSON {
		encoder := json.NewEncoder(&out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(verdicts); err != nil {
			return err
		}
	} else {
		for i, v := range verdicts {
			if i > 0 {
				fmt.Fprintln(&out)
			}
			v.print(&out)
		}
	}
	_, err := to.Write(out.Bytes())
	return err
}

func (v *verdict) print(out *bytes.Buffer) {
	if !v.OK {
		fmt.Fprintf(out, "FAILED: %s\n", v.From)
		for _, reason := range v.Reasons {
			fmt.Fprintf(out, "  %q\n", reason) // quoted: a stranger's words may hold control bytes
		}
		return
	}
	t := v.Transcript
	but := ""
	if t.Pseudonym != "" {
		but = ", but for a day by the name that it gets for each"
	}
	fmt.Fprintf(out, "OK: %s: the tool %q can't tell readers apart by its requests%s.\n", v.From, t.Tool, but)
	fmt.Fprintf(out, "transcript:   number %d, of %s, by %q\n", t.Sequence, t.Time.UTC().Format(time.RFC3339), t.Edge.Version)
	declaration := "not compared with the noticeboard: give the address of the transcript for that"
	if v.Noticeboard {
		declaration = "as on the noticeboard"
	}
	fmt.Fprintf(out, "declaration:  %q, %s\n", t.Declaration, declaration)
	key := "the site's own word: keep it, and give it by --key from now on"
	if v.Pinned {
		key = "as given"
	}
	fmt.Fprintf(out, "public key:   %s, %s\n", v.PublicKey, key)
	if t.Pseudonym != "" {
		fmt.Fprintf(out, "pseudonym:    %s has a name for the client, another one each day\n", t.Pseudonym)
	}
	if t.TLS != nil {
		fmt.Fprintf(out, "connection:   %s, with the same ClientHello each time\n", strings.Join(t.TLS.Versions, " or "))
	}
	for i := range t.Requests {
		q := &t.Requests[i]
		fmt.Fprintf(out, "\n%v:\n", q)
		switch {
		case q.Refused != "":
			fmt.Fprintf(out, "  nothing is sent: %q\n", q.Refused)
		case q.Text != "":
			for line := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(q.Text, "\r\n", "\n")), "\n") {
				fmt.Fprintf(out, "  %s\n", line)
			}
		default:
			for _, f := range q.Fields { // which are known constants
				fmt.Fprintf(out, "  %s: %s\n", f.Name, f.Value)
			}
		}
	}
	fmt.Fprintln(out, "\nThis is the edge's own word. What arrives at the tool, its owner can compare.")
}
