package masklog

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// writing makes entries as others may write them, the same from the same numbers.
type writing struct {
	random *rand.Rand
	given  []string // texts to use, too
}

var pieces = []string{
	"203.0.113.9", "127.11.22.33", "127.0.0.1:8081", "[2001:db8::7]:443", "2001:db8::5", "::ffff:127.11.22.33", "2001%3Adb8%3A%3A7", testMask, "[" + testMask + "]:0", "2001:2f::9",
	"2131432993", "7f0b1621", "127-11-22-33", "33.22.11.127.in-addr.arpa", "017702613041", "fwsWIQ==", "127%2E11%2E22%2E33", "127&#46;11&#46;22&#46;33", `127\u002e11\u002e22\u002e33`,
	"Chrome/156.0.0.0", "YaBrowser/24.1.0.0", `"Chromium";v="156.0.0.0"`, "Mozilla/5.0 (X11)", "/srv/2131432993", "/secret?masks=M", "https://wiki.example/wiki/Main_Page",
	"/w/index.php?title=Main_Page&action=history", "2026-11-29T10:11:12.229Z", "Std::vector::push_back", "a8b000cc-2939-427a-a731-822de7ad39be", "en-GB,en;q=0.9",
	"", " ", ", ", ":", "::", ".", "%", "%3A", "%25", "/", "\"", "\\", "\n", "\xff", "0", "1", "12", "255", "f", "ff00", "x", "Примеры", "a_b", "=", "[", "]", "-",
}

func (w *writing) text() string {
	var b strings.Builder
	for range w.random.IntN(7) {
		switch w.random.IntN(12) {
		case 0:
			addr := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, w.random.Uint32())))
			b.WriteString(addr.String())
		case 1:
			all := [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(w.random.Uint32())}
			b.WriteString(netip.AddrFrom16(all).String())
		case 2:
			b.WriteString(hex.EncodeToString(binary.BigEndian.AppendUint64(nil, w.random.Uint64())[w.random.IntN(8):]))
		case 3:
			b.WriteString(base64.StdEncoding.EncodeToString([]byte(pieces[w.random.IntN(len(pieces))])))
		case 4:
			b.WriteString(w.given[w.random.IntN(len(w.given))])
		default:
			b.WriteString(pieces[w.random.IntN(len(pieces))])
		}
	}
	if w.random.IntN(50) == 0 {
		return strings.Repeat(b.String()+" ", 40)
	}
	return b.String()
}

func (w *writing) key() string {
	keys := []string{"User-Agent", "user_agent", "X-Forwarded-For", "Referer", "remote_ip", "client_ip", "remote_port", "user_id", "epoch", "Client-Mask", "uri", "error", "Sec-Ch-Ua", "x"}
	return keys[w.random.IntN(len(keys))]
}

// headers have one name at most, as maps have no order.
func (w *writing) headers() headers {
	h := headers{}
	if w.random.IntN(4) > 0 {
		name := w.key()
		if w.random.IntN(4) == 0 {
			name = w.text()
		}
		for range w.random.IntN(4) {
			h[name] = append(h[name], w.text())
		}
	}
	return h
}

func (w *writing) field(depth int) zapcore.Field {
	key, n := w.key(), w.random.Uint64()
	if depth > 3 {
		return zap.String(key, w.text())
	}
	several := func() (all []zapcore.Field) {
		for range w.random.IntN(4) {
			all = append(all, w.field(depth+1))
		}
		return all
	}
	peers := []string{client, other, testMask, "127.0.0.1", "2001:db8::7", "", "x"}
	request := logged{peer: peers[n%7], client: peers[n/7%7], uri: w.text(), header: w.headers(), private: n%5 == 0}
	switch w.random.IntN(24) {
	case 0:
		return zap.Object(key, request)
	case 1:
		return zap.Inline(request)
	case 2:
		return zap.Object(key, w.headers())
	case 3:
		return zap.Dict(key, several()...)
	case 4:
		return zap.Objects(key, []logged{request, request})
	case 5:
		return zap.Strings(key, []string{w.text(), w.text()})
	case 6:
		return zap.Strings(key, []string{w.text()})
	case 7:
		return zap.ByteStrings(key, [][]byte{[]byte(w.text()), []byte(w.text())})
	case 8:
		return zap.Binary(key, []byte(w.text()))
	case 9:
		return zap.ByteString(key, []byte(w.text()))
	case 10:
		return zap.Reflect(key, map[string]any{w.text(): []any{w.text(), n, nil}, "X-Forwarded-For": []string{w.text()}, "port": n})
	case 11:
		return zap.NamedError(key, fmt.Errorf("%s: %w", w.text(), errors.New(w.text())))
	case 12:
		return zap.Errors(key, []error{errors.New(w.text()), errors.Join(errors.New(w.text()), errors.New(w.text()))})
	case 13:
		return zap.Stringer(key, netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(n)))))
	case 14:
		return zap.Stringer(key, (*time.Location)(nil))
	case 15:
		return zap.Namespace(key)
	case 16:
		return zap.Array(key, mixed{w.text(), n, several()})
	case 17:
		return []zapcore.Field{zap.Bool(key, n&1 == 0), zap.Int(key, int(n)), zap.Uint8(key, uint8(n)), zap.Float64(key, float64(n)/7), zap.Float32(key, float32(n)),
			zap.Duration(key, time.Duration(n)), zap.Time(key, time.Unix(int64(n>>32), 5)), zap.Complex128(key, complex(1, float64(n))), zap.Uintptr(key, uintptr(n)), zap.Skip()}[n%10]
	case 18:
		return zap.Reflect(key, func() {}) // which is no JSON
	case 19:
		return zap.Object(key, failing{w.text()})
	}
	return zap.String(key, w.text())
}

// failing is an object that fails half-way.
type failing struct{ text string }

func (f failing) MarshalLogObject(to zapcore.ObjectEncoder) error {
	to.AddString("part", f.text)
	return errors.New(f.text)
}

// mixed is an array of all kinds of elements.
type mixed struct {
	text   string
	n      uint64
	fields []zapcore.Field
}

func (m mixed) MarshalLogArray(to zapcore.ArrayEncoder) error {
	to.AppendString(m.text)
	to.AppendByteString([]byte(m.text))
	to.AppendBool(m.n&1 == 0)
	to.AppendInt(int(m.n))
	to.AppendInt64(int64(m.n))
	to.AppendInt32(int32(m.n))
	to.AppendInt16(int16(m.n))
	to.AppendInt8(int8(m.n))
	to.AppendUint(uint(m.n))
	to.AppendUint64(m.n)
	to.AppendUint32(uint32(m.n))
	to.AppendUint16(uint16(m.n))
	to.AppendUint8(uint8(m.n))
	to.AppendUintptr(uintptr(m.n))
	to.AppendFloat64(float64(m.n))
	to.AppendFloat32(float32(m.n))
	to.AppendComplex128(complex(0, float64(m.n)))
	to.AppendComplex64(complex(0, float32(m.n)))
	to.AppendDuration(time.Duration(m.n))
	to.AppendTime(time.Unix(int64(m.n>>32), 0))
	if err := to.AppendReflected([]string{m.text}); err != nil {
		return err
	}
	if err := to.AppendArray(zapcore.ArrayMarshalerFunc(func(to zapcore.ArrayEncoder) error { to.AppendString(m.text); return nil })); err != nil {
		return err
	}
	return to.AppendObject(zapcore.ObjectMarshalerFunc(func(to zapcore.ObjectEncoder) error {
		for _, f := range m.fields {
			f.AddTo(to)
		}
		return nil
	}))
}

func (w *writing) fields() (all []zapcore.Field) {
	for range w.random.IntN(5) {
		all = append(all, w.field(0))
	}
	return all
}

// lines writes two entries of each of three loggers in a row, which were given fields one after another.
func (w *writing) lines(e zapcore.Encoder) (lines []string, err error) {
	for range 3 {
		e = e.Clone()
		for _, f := range w.fields() {
			f.AddTo(e)
		}
		for range 2 {
			line, err := e.EncodeEntry(zapcore.Entry{Message: w.text(), Stack: w.text()}, w.fields())
			if err != nil {
				return nil, err
			}
			lines = append(lines, line.String())
			line.Free()
		}
	}
	return lines, nil
}

// adder is an encoder that adds something of its own.
type adder struct{ zapcore.Encoder }

func (a adder) Clone() zapcore.Encoder { return adder{a.Encoder.Clone()} }

func (a adder) AddObject(key string, m zapcore.ObjectMarshaler) error {
	err := a.Encoder.AddObject(key, m)
	a.AddString("own", other+" "+client+" 127.0.0.1:8081 YaBrowser/24.1.0.0")
	return err
}

// sameRules remember what they have seen from one check to the next.
var sameRules = sync.OnceValue(func() *Rules {
	rules := testRules()
	rules.Paths = Paths("/srv/2131432993")
	rules.Texts = func(texts []string) zapcore.ArrayMarshaler {
		return zap.Strings("", texts).Interface.(zapcore.ArrayMarshaler)
	}
	return rules
})

// checkSame checks that entries are masked to the same bytes as by the reference.
func checkSame(t *testing.T, seed uint64, given ...string) {
	t.Helper()
	rules := sameRules()
	config := zapcore.EncoderConfig{MessageKey: "msg", StacktraceKey: "stack", SkipLineEnding: true, EncodeTime: zapcore.ISO8601TimeEncoder, EncodeDuration: zapcore.SecondsDurationEncoder}
	var wrapped zapcore.Encoder = zapcore.NewJSONEncoder(config)
	plain := true
	switch seed % 4 {
	case 1:
		wrapped = zapcore.NewConsoleEncoder(config)
	case 2:
		plain = false
	case 3:
		wrapped, plain = adder{wrapped}, false
	}
	got, err := (&writing{rand.New(rand.NewPCG(seed, 1)), given}).lines(New(wrapped.Clone(), plain, rules))
	if err != nil {
		t.Fatal(err)
	}
	want, err := (&writing{rand.New(rand.NewPCG(seed, 1)), given}).lines(newReference(wrapped.Clone(), plain, rules))
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("of seed %d, entry %d is\n%s\nwant\n%s", seed, i, got[i], want[i])
		}
	}
}

// Entries are masked as by the reference, byte for byte.
func TestSameAsReference(t *testing.T) {
	for seed := range uint64(1000) {
		checkSame(t, seed, "")
	}
}

// FuzzSameAsReference has texts of strangers in the entries.
func FuzzSameAsReference(f *testing.F) {
	for seed, text := range pieces {
		f.Add(uint64(seed), text)
	}
	f.Fuzz(func(t *testing.T, seed uint64, text string) { checkSame(t, seed, text) })
}

// What a logger is given is logged as it was then, by many at the same time, whatever becomes of it.
func TestFieldsAreThoseOfTheirTime(t *testing.T) {
	for i := range 200 {
		plain := i%2 == 0
		header := map[string][]string{"X-Note": {"before", "from " + other}}
		e := newTestEncoder(plain).Clone()
		request(header).AddTo(e)
		want := `{"msg":"m","request":{"remote_ip":"` + testMask + `","remote_port":"0","client_ip":"` + testMask + `","uri":"/","headers":{"X-Note":["before","from masked"]}},"n":1}`
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				own := e
				if i%2 == 0 {
					own = e.Clone()
				}
				if got := encode(t, own, "m", zap.Int("n", 1)); got != want {
					t.Errorf("plain %v: got %s, want %s", plain, got, want)
				}
			})
		}
		header["X-Note"][0] = "after"
		header["X-More"] = []string{"after"}
		all.Wait()
	}
}

// What an array was given before a panic, which whoever logs it catches, is masked, and stays in it.
func TestPanicsLeaveFieldsInTheirPlace(t *testing.T) {
	for _, plain := range []bool{true, false} {
		e := newTestEncoder(plain).Clone()
		given := zap.Object("given", caught{other})
		given.AddTo(e)
		got := encode(t, e, "m", zap.Object("now", caught{other}))
		if want := `{"msg":"m","given":{"list":["masked","masked",1],"after":"masked"},"now":{"list":["masked","masked",1],"after":"masked"}}`; got != want {
			t.Errorf("plain %v: got %s, want %s", plain, got, want)
		}
	}
}

// caught is an object with an array that panics half-way.
type caught struct{ text string }

func (c caught) MarshalLogObject(to zapcore.ObjectEncoder) error {
	func() {
		defer func() { _ = recover() }()
		_ = to.AddArray("list", zapcore.ArrayMarshalerFunc(func(to zapcore.ArrayEncoder) error {
			to.AppendString(c.text)
			to.AppendByteString([]byte(c.text))
			to.AppendInt(1)
			panic(c.text)
		}))
	}()
	to.AddString("after", c.text)
	return nil
}

// Lines such as an edge writes come out the same, be they finished or a text, whatever address is in them.
func TestSameOnLines(t *testing.T) {
	lines, err := os.ReadFile("testdata/lines.txt")
	if err != nil {
		t.Fatal(err)
	}
	rules := sameRules()
	for line := range strings.Lines(string(lines)) {
		for _, piece := range pieces {
			text := strings.ReplaceAll(line, "{}", piece)
			e, reference := &entry{rules: rules}, &refEntry{rules: rules}
			for _, key := range []string{"msg", "User-Agent"} {
				if got, want := e.field(key, text, false), reference.field(key, text, false); got != want {
					t.Errorf("under %s\n%s\nbecomes\n%s\nwant\n%s", key, text, got, want)
				}
			}
			finished := func(mask func(*buffer.Buffer) (*buffer.Buffer, error)) string {
				b := buffer.NewPool().Get()
				b.AppendString(text)
				if b, err = mask(b); err != nil {
					t.Fatal(err)
				}
				return b.String()
			}
			if got, want := finished(e.maskLine), finished(reference.maskLine); got != want {
				t.Errorf("finished,\n%s\nbecomes\n%s\nwant\n%s", text, got, want)
			}
		}
	}
}
