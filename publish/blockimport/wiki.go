package blockimport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/publish/wikiname"
)

// A Wiki is one's API.
type Wiki struct {
	api    string
	client *http.Client
}

// NewWiki returns the API at an address, such as https://wiki.example.org/w/api.php.
func NewWiki(api string) (*Wiki, error) {
	u, err := url.Parse(api)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not the address of an API, such as https://wiki.example.org/w/api.php", api)
	}
	jar, err := cookiejar.New(nil)
	return &Wiki{api, &http.Client{Jar: jar, Timeout: time.Minute}}, err
}

// maxAnswer is how many bytes an answer may have.
const maxAnswer = 64 << 20

// post asks the API.
func (w *Wiki) post(ctx context.Context, form url.Values) (json.RawMessage, error) {
	form.Set("format", "json")
	form.Set("formatversion", "2")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.api, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "wikiveil blocks import")
	resp, err := w.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("the answer of %s has more than %d bytes", w.api, maxAnswer)
	case resp.StatusCode != http.StatusOK || !json.Valid(body):
		return nil, fmt.Errorf("%s answers %s, and nothing of an API", w.api, resp.Status)
	}
	return body, nil
}

// Entries lists the wiki's blocks, or those that the GlobalBlocking extension has for all wikis.
func (w *Wiki) Entries(ctx context.Context, global bool) ([]Entry, error) {
	form := url.Values{"action": {"query"}, "list": {"blocks"}, "bklimit": {"max"}, "bkprop": {"user|expiry|reason|flags|restrictions"}}
	if global {
		form = url.Values{"action": {"query"}, "list": {"globalblocks"}, "bglimit": {"max"}, "bgprop": {"address|expiry|reason"}}
	}
	var all []Entry
	for {
		raw, err := w.post(ctx, form)
		if err != nil {
			return nil, err
		}
		entries, more, err := page(raw)
		if err != nil {
			return nil, err
		}
		if all = append(all, entries...); len(all) > maxEntries {
			return nil, fmt.Errorf("the wiki has more than %d blocks", maxEntries)
		}
		if len(more) == 0 {
			return all, nil
		}
		for name, value := range more {
			form.Set(name, value)
		}
	}
}

// Login logs in with a bot password of Special:BotPasswords, which may block.
func (w *Wiki) Login(ctx context.Context, name, password string) error {
	token, err := w.token(ctx, "login")
	if err != nil {
		return err
	}
	raw, err := w.post(ctx, url.Values{"action": {"login"}, "lgname": {name}, "lgpassword": {password}, "lgtoken": {token}})
	if err != nil {
		return err
	}
	var answer struct {
		Login struct{ Result, Reason string }
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return err
	}
	if answer.Login.Result != "Success" {
		return fmt.Errorf("logging in to the wiki: %s %s", answer.Login.Result, answer.Login.Reason)
	}
	return nil
}

func (w *Wiki) token(ctx context.Context, kind string) (string, error) {
	raw, err := w.post(ctx, url.Values{"action": {"query"}, "meta": {"tokens"}, "type": {kind}})
	if err != nil {
		return "", err
	}
	var answer struct {
		Query struct{ Tokens map[string]string }
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return "", err
	}
	token := answer.Query.Tokens[kind+"token"]
	if token == "" {
		return "", errors.New("the wiki gives no token")
	}
	return token, nil
}

// Block makes blocks in the wiki and returns how many. One that is there stays as it is, so that the same may be done again.
func (w *Wiki) Block(ctx context.Context, blocks []Block, global bool) (made int, err error) {
	token, err := w.token(ctx, "csrf")
	if err != nil {
		return 0, err
	}
	for _, b := range blocks {
		form := b.Form(wikiname.Spell(b.Mask), global)
		form.Set("token", token)
		raw, err := w.post(ctx, form)
		if err != nil {
			return made, err
		}
		var answer struct{ Error *struct{ Code, Info string } }
		if err := json.Unmarshal(raw, &answer); err != nil {
			return made, err
		}
		switch {
		case answer.Error == nil:
			made++
		case answer.Error.Code != "alreadyblocked" && answer.Error.Code != "globalblocking-block-alreadyblocked":
			return made, fmt.Errorf("blocking %s: the wiki's API says %s: %s", b.Mask, answer.Error.Code, answer.Error.Info)
		}
	}
	return made, nil
}
