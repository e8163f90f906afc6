package checkup

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A node that is asked under the wiki's name is to have a certificate for that name, and is told it by TLS too.
func TestWikiHostOverTLS(t *testing.T) {
	node := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"query": {"host": %q, "name": %q}}`, r.Host, r.TLS.ServerName)
	}))
	t.Cleanup(node.Close)
	for host, fine := range map[string]bool{"example.com:443": true, "example.net": false} { // its certificate is for the first
		w, err := NewWiki(strings.Replace(node.URL, "127.0.0.1", "localhost", 1)+"/w/api.php", host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Close)
		w.client.Transport.(*http.Transport).TLSClientConfig.RootCAs = node.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		var got struct{ Host, Name string }
		err = w.query(t.Context(), nil, &got)
		if (err == nil) != fine || fine && (got.Host != host || got.Name != "example.com") {
			t.Errorf("%s: %+v, %v", host, got, err)
		}
	}
}
