package edgetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/wikiveil/wikiveil/internal/testutil"
)

// MaskSite is a site with mask_info whose users are known by basic_auth, with their names as passwords.
func MaskSite(t testing.TB, options, users, upstream string) string {
	t.Helper()
	var accounts strings.Builder
	for _, name := range []string{"admin", "patroller", "plain"} {
		hash, err := bcrypt.GenerateFromPassword([]byte(name), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&accounts, "%s %s\n", name, hash)
	}
	return `{
		{GLOBAL}
		wikiveil {
			data_dir {DIR}/data
			sightings {
				seal local
				` + options + `
			}
		}
	}
	http://:{PORT} {
		client_mask
		csp strict
		@private path /.privacy/*
		basic_auth @private {
			` + accounts.String() + `
		}
		mask_info {
			` + users + `
			block_link https://wiki.example/wiki/Special:Block/{mask}
		}
		reverse_proxy ` + upstream + `
	}`
}

// MaskUsers are users for [MaskSite].
const MaskUsers = "user admin info reveal audit\nuser patroller info"

// As gives the headers of a user's program, and more by pairs.
func As(user string, more ...string) http.Header {
	r := http.Request{Header: make(http.Header)}
	r.SetBasicAuth(user, user)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for pair := range slices.Chunk(more, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	return r.Header
}

// Edit has a client publish something and returns its mask.
func Edit(t testing.TB, e *Edge, wiki *Backend, source string) string {
	t.Helper()
	if resp, body := Send(t, From(t, source), "POST", "http://"+e.Site+"/", nil); resp.StatusCode != 200 {
		t.Fatalf("POST from %s: %d %s", source, resp.StatusCode, body)
	}
	return wiki.One(t).Header.Get("Client-Mask")
}

// AskMasks looks masks up as a program, with a reason after "&reason=", and decodes the answer.
func AskMasks(t testing.TB, e *Edge, user, masks string, into any) int {
	t.Helper()
	// A connection that is made while a reload ends may go to the listener that is closed, and is cut off.
	var resp *http.Response
	var body string
	testutil.Eventually(t, "an answer", func() bool {
		r, err := http.NewRequest("POST", "http://"+e.Site+"/.privacy/masks/", strings.NewReader("masks="+masks))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = As(user, "Content-Type", "application/x-www-form-urlencoded")
		if resp, err = From(t, "127.9.9.9").Do(r); err != nil {
			return false
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		body = string(data)
		return err == nil
	})
	if err := json.Unmarshal([]byte(body), into); err != nil && into != nil {
		t.Fatalf("%s: %d %s: %v", masks, resp.StatusCode, body, err)
	}
	return resp.StatusCode
}
