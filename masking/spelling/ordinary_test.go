package spelling

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// ordinary makes header sets as browsers, programs, balancers and CDNs send them, from the forms in
// testdata/ordinary.json.
type ordinary struct {
	random *rand.Rand
	names  []string
	forms  map[string][]string // of each header's values
	words  map[string][]string
}

func newOrdinary(t testing.TB, seed uint64) *ordinary {
	t.Helper()
	data, err := os.ReadFile("testdata/ordinary.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Headers, Words map[string][]string }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(file.Headers))
	return &ordinary{rand.New(rand.NewPCG(seed, 1)), names, file.Headers, file.Words}
}

// values returns the values of a set of headers.
func (o *ordinary) values() []string {
	var values []string
	for _, name := range o.names {
		forms := o.forms[name]
		if o.random.IntN(3) > 0 || name == "User-Agent" {
			values = append(values, o.fill(forms[o.random.IntN(len(forms))]))
		}
	}
	return values
}

// fill puts something for each {word} of a form.
func (o *ordinary) fill(form string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(form, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		word, after, _ := strings.Cut(rest, "}")
		b.WriteString(o.word(word))
		form = after
	}
}

func (o *ordinary) word(word string) string {
	r := o.random
	if among, ok := o.words[word]; ok {
		return o.fill(among[r.IntN(len(among))])
	}
	bytesOf := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	at := time.Date(2025+r.IntN(3), 1, 1, 0, 0, r.IntN(365*86400), r.IntN(1e9), time.UTC)
	var n int
	switch fmt.Sscanf(word, "hex%d", &n); {
	case n > 0:
		return hex.EncodeToString(bytesOf(n/2 + 1))[:n]
	case strings.HasPrefix(word, "HEX"):
		return strings.ToUpper(o.word("hex" + word[3:]))
	}
	switch fmt.Sscanf(word, "base64-%d", &n); {
	case n > 0:
		return base64.StdEncoding.EncodeToString(bytesOf(n))
	}
	switch fmt.Sscanf(word, "url64-%d", &n); {
	case n > 0:
		return base64.RawURLEncoding.EncodeToString(bytesOf(n))
	}
	switch fmt.Sscanf(word, "digits%d", &n); {
	case n > 0:
		return fmt.Sprintf("%0*d", n, r.Uint64()%1e18)[:n]
	}
	switch word {
	case "small":
		return fmt.Sprint(r.IntN(256))
	case "number":
		return fmt.Sprint(r.IntN(100000))
	case "uuid":
		h := hex.EncodeToString(bytesOf(16))
		return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
	case "unix":
		return fmt.Sprint(at.Unix())
	case "millis":
		return fmt.Sprint(at.UnixMilli())
	case "date":
		return at.Format(time.DateOnly)
	case "httpdate":
		return at.Format("Mon, 02 Jan 2006 15:04:05 GMT")
	case "rfc3339":
		return at.Format(time.RFC3339Nano)
	case "compact":
		return at.Format("20060102150405")
	case "version":
		return fmt.Sprintf("%d.%d.%d", r.IntN(200), r.IntN(30), r.IntN(100))
	case "chrome":
		return fmt.Sprintf("%d.0.%d.%d", 90+r.IntN(70), 4000+r.IntN(5000), r.IntN(256))
	case "jwt":
		payload := o.fill(`{"sub":"{digits10}","name":"{name}","iat":{unix},"jti":"{uuid}","scope":"read write"}`)
		return "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + "." + o.word("url64-32")
	case "json64":
		return base64.StdEncoding.EncodeToString([]byte(o.fill(`{"id":"{uuid}","t":{millis},"v":"{version}","n":{number}}`)))
	}
	return word
}

// Case 1, the other way round: no header of ordinary traffic is taken for the client's address. The rate is over
// header sets of all clients, among them those whose numbers are small.
func TestCase1NoFalseAlarm(t *testing.T) {
	const sets = 10_000
	o := newOrdinary(t, 7)
	fixed := []string{"127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.2", "1.1.1.1", "8.8.8.8", "100.64.0.1", "2001:db8::1", "fe80::1"}
	alarms, values, bytes := 0, 0, 0
	for i := range sets {
		addr := randomAddr(o.random)
		if i%10 == 0 {
			addr = netip.MustParseAddr(fixed[i/10%len(fixed)])
		}
		f := finderOf(addr)
		for _, value := range o.values() {
			values, bytes = values+1, bytes+len(value)
			if got, found := f.Replace(value, "M"); found {
				alarms++
				t.Errorf("%s is found in %q: %q", addr, value, got)
			}
		}
	}
	t.Logf("%d false alarms in %d header sets (%d values, %d bytes)", alarms, sets, values, bytes)
}
