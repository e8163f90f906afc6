package forecast

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Bounds of what is read from a wiki.
const (
	maxCodePages  = 2000
	maxCodeTotal  = 64 << 20 // bytes of all code
	maxAnswer     = 16 << 20 // bytes of one answer; MediaWiki's own bound is 8 MB of text
	maxAnswers    = 400
	wikiTimeout   = 2 * time.Minute // for all
	titlesAtOnce  = 50              // what MediaWiki gives anybody
	titlesInBytes = 4000            // of a URL
)

// siteSkins are the skins whose pages of code are looked at besides Common.js and
// Common.css.
var siteSkins = []string{"Common", "Vector", "Vector-2022", "Minerva", "Monobook", "Timeless"}

// MediaWikiGadgets reads the code of a MediaWiki's gadgets through its API, without logging
// in: MediaWiki:Gadgets-definition, the pages that it names, and the site's own code
// such as MediaWiki:Common.js, whose Gadget is "site". The host is sent in place of the URL's,
// where the wiki is asked past its edge; "" sends the URL's own.
//
// A wiki without gadgets gives the site's code. It is an error if the wiki can't be
// read, answers with no JSON, redirects to another host, or has more than
// 2,000 pages or 64 MB of code.
func MediaWikiGadgets(ctx context.Context, apiURL, host string) ([]Code, error) {
	u, err := url.Parse(apiURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.User != nil {
		return nil, errors.New("reading gadgets: the API's address is none such as https://wiki.example/w/api.php")
	}
	ctx, cancel := context.WithTimeout(ctx, wikiTimeout)
	defer cancel()
	w := &wikiReader{api: u, host: host, left: maxCodeTotal}
	defer w.client.CloseIdleConnections()
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	code, err := w.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading gadgets from %s: %w", u.Redacted(), err)
	}
	return code, nil
}

type wikiReader struct {
	api     *url.URL
	host    string
	client  http.Client
	answers int
	left    int // bytes of code
}

func (w *wikiReader) read(ctx context.Context) ([]Code, error) {
	definition, err := w.pages(ctx, []string{definitionTitle})
	if err != nil {
		return nil, err
	}
	gadgets := make(map[string][]string) // by title: pages may be shared
	var titles []string
	name := func(gadget, title string) {
		if gadgets[title] == nil {
			titles = append(titles, title)
		}
		gadgets[title] = append(gadgets[title], gadget)
	}
	for _, d := range parseDefinition(definition[definitionTitle]) {
		for _, title := range d.titles {
			name(d.name, title)
		}
	}
	for _, skin := range siteSkins {
		name("site", "MediaWiki:"+skin+".js")
		name("site", "MediaWiki:"+skin+".css")
	}
	if len(titles) > maxCodePages {
		return nil, fmt.Errorf("its gadgets have more than %d pages", maxCodePages)
	}
	texts := make(map[string]string)
	for batch := range batches(titles) {
		found, err := w.pages(ctx, batch)
		if err != nil {
			return nil, err
		}
		for title, text := range found {
			texts[title] = text
		}
	}
	var code []Code
	for _, title := range titles {
		if text, found := texts[title]; found {
			for _, gadget := range gadgets[title] {
				code = append(code, Code{Gadget: gadget, Title: title, Text: text})
			}
		}
	}
	return code, nil
}

// batches yields titles that can be asked for together.
func batches(titles []string) func(func([]string) bool) {
	return func(yield func([]string) bool) {
		start, size := 0, 0
		for i, title := range titles {
			size += len(title)
			if i-start == titlesAtOnce || size > titlesInBytes && i > start {
				if !yield(titles[start:i]) {
					return
				}
				start, size = i, len(title)
			}
		}
		if start < len(titles) {
			yield(titles[start:])
		}
	}
}

// wikiAnswer is what we read of an answer (formatversion 2).
type wikiAnswer struct {
	Continue map[string]string
	Error    struct{ Code, Info string }
	Query    *struct {
		Normalized []struct{ From, To string }
		Pages      []struct {
			Title     string
			Revisions []struct {
				Slots map[string]struct{ Content string }
			}
		}
	}
}

// pages returns the texts of those pages that there are, by the title asked for.
func (w *wikiReader) pages(ctx context.Context, titles []string) (map[string]string, error) {
	query := url.Values{
		"action": {"query"}, "format": {"json"}, "formatversion": {"2"}, "prop": {"revisions"},
		"rvprop": {"content"}, "rvslots": {"main"}, "titles": {strings.Join(titles, "|")},
	}
	asked := make(map[string]string)
	texts := make(map[string]string)
	for {
		answer, err := w.ask(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, n := range answer.Query.Normalized {
			asked[n.To] = n.From
		}
		for _, p := range answer.Query.Pages {
			if len(p.Revisions) == 0 {
				continue
			}
			title := p.Title
			if from, ok := asked[title]; ok {
				title = from
			}
			text := p.Revisions[0].Slots["main"].Content
			if w.left -= len(text); w.left < 0 {
				return nil, fmt.Errorf("it has more than %d bytes of code", maxCodeTotal)
			}
			texts[title] = text
		}
		if len(answer.Continue) == 0 {
			return texts, nil
		}
		for name, value := range answer.Continue {
			query.Set(name, value)
		}
	}
}

func (w *wikiReader) ask(ctx context.Context, query url.Values) (*wikiAnswer, error) {
	if w.answers++; w.answers > maxAnswers {
		return nil, fmt.Errorf("it takes more than %d requests", maxAnswers)
	}
	u := *w.api
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "wikiveil (csp forecast)")
	req.Host = w.host
	resp, err := w.client.Do(req)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // without the long URL
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 3 {
		return nil, fmt.Errorf("it redirects to %q: give the address of api.php itself", resp.Header.Get("Location"))
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("an answer has more than %d bytes", maxAnswer)
	}
	return parseAnswer(body)
}

func parseAnswer(body []byte) (*wikiAnswer, error) {
	var answer wikiAnswer
	switch err := json.Unmarshal(body, &answer); {
	case err != nil:
		return nil, errors.New("it did not answer as MediaWiki's API does")
	case answer.Error.Code != "":
		return nil, fmt.Errorf("it refused: %.300q", answer.Error.Code+": "+answer.Error.Info)
	case answer.Query == nil:
		return nil, errors.New("it did not answer as MediaWiki's API does: there is no query")
	}
	return &answer, nil
}
