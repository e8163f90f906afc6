package publish_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	_ "github.com/wikiveil/wikiveil/caddymodule/publish"
)

// blockAPI answers as MediaWiki's API does to who imports, two blocks a page.
func blockAPI(t *testing.T, made *[]url.Values) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		form := r.PostForm
		answer := ""
		switch {
		case form.Get("meta") == "tokens":
			answer = `{"query":{"tokens":{"csrftoken":"C","logintoken":"L"}}}`
		case form.Get("action") == "login" && form.Get("lgpassword") == "right":
			answer = `{"login":{"result":"Success"}}`
		case form.Get("action") == "login":
			answer = `{"login":{"result":"Failed","reason":"wrong"}}`
		case form.Get("bkcontinue") == "2":
			answer = `{"query":{"blocks":[{"user":"203.0.112.0/19","expiry":"infinity","reason":"","restrictions":[]}]}}`
		case form.Get("list") == "blocks":
			answer = `{"continue":{"bkcontinue":"2","continue":"-||"},"query":{"blocks":[{"user":"140.78.240.215","expiry":"2099-01-31T00:00:00Z","reason":"spam","anononly":true},{"user":"140.0.0.0/16","expiry":"infinity","reason":""}]}}`
		case form.Get("action") == "block" && form.Get("token") == "C":
			answer = `{"block":{}}`
			for _, b := range *made {
				if b.Get("user") == form.Get("user") {
					answer = `{"error":{"code":"alreadyblocked","info":"is blocked"}}`
				}
			}
			*made = append(*made, form)
		}
		io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/api.php"
}

func TestBlocksImportCommand(t *testing.T) {
	dir := t.TempDir()
	secret, salted := filepath.Join(dir, "secret"), filepath.Join(dir, "config.json")
	config, _ := json.Marshal(edgetest.JSON{"apps": edgetest.JSON{"wikiveil": edgetest.JSON{"secrets": []string{edgetest.Secret}, "salt": edgetest.JSON{"idle": "48h"}}}})
	for name, data := range map[string]string{secret: edgetest.Secret, salted: string(config)} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var made []url.Values
	api := blockAPI(t, &made)
	args := []string{"blocks", "import", "--secret-file", secret, "--site", "en", "--from", api}
	out, err := edgetest.Run(t, "", args...)
	const mask = "2001:2F:DA8A:EEDC:72A9:DDB5:1438:104F" // from the given vectors, as MediaWiki spells it
	want := "action=block&anononly=1&expiry=2099-01-31T00%3A00%3A00Z&reason=spam&user=" + url.QueryEscape(mask) + "\n"
	if err != nil || strings.Count(out, "\n") != 2 || !strings.Contains(out, want) || len(made) != 0 || strings.Contains(out, "140.") {
		t.Errorf("without --apply: %q, %v; made: %v", out, err, made)
	}
	if _, err := edgetest.Run(t, "", append(args, "--apply")...); err == nil || !strings.Contains(err.Error(), "WIKIVEIL_BOT") {
		t.Errorf("without an account: %v", err)
	}
	t.Setenv("WIKIVEIL_BOT", "Admin@import")
	if _, err := edgetest.Run(t, "", append(args, "--apply")...); err == nil || !strings.Contains(err.Error(), "Failed wrong") {
		t.Errorf("with a wrong password: %v", err)
	}
	t.Setenv("WIKIVEIL_BOT_PASSWORD", "right")
	for range 2 { // the second time they are there
		if _, err := edgetest.Run(t, "", append(args, "--apply")...); err != nil {
			t.Fatal(err)
		}
	}
	if len(made) != 4 || made[0].Get("user") == "" {
		t.Errorf("made: %v", made)
	}
	for _, command := range [][]string{{"blocks", "import", "--from", api}, {"backfill", "--dsn", "sqlite:none"}, {"scrub", "dump.xml"}} {
		if _, err := edgetest.Run(t, "", append(command, "--config", salted)...); err == nil || !strings.Contains(err.Error(), "have salts") {
			t.Errorf("%s with salts: %v", command[0], err)
		}
	}
}
