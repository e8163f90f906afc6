package mask

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/wikiveil/wikiveil/masking"
)

func testLineMasker(tb testing.TB) lineMasker {
	tb.Helper()
	m, err := masking.NewMasker(make([]byte, masking.MinSecretSize), "test", 0)
	if err != nil {
		tb.Fatal(err)
	}
	return lineMasker{Masker: m}
}

// lineByLine is the slow way: one line after the other.
func (m lineMasker) lineByLine(in string) (string, error) {
	var out []byte
	lines := bufio.NewScanner(strings.NewReader(in))
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		var err error
		if out, err = appendMask(out, text, m.parse); err != nil {
			return string(out), fmt.Errorf("line %d: %w", n, err)
		}
	}
	return string(out), nil
}

// addressLines are n lines with addresses, ranges and empty lines among them.
func addressLines(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var lines strings.Builder
	for i := range n {
		var raw [16]byte
		raw[0] = 0x2a
		for i := range raw[1:] {
			raw[i+1] = byte(r.Uint32())
		}
		switch i % 8 {
		case 0:
			fmt.Fprintln(&lines, netip.AddrFrom16(raw))
		case 1:
			fmt.Fprintln(&lines, netip.PrefixFrom(netip.AddrFrom16(raw), 32))
		case 2:
			fmt.Fprintf(&lines, "\t%v \r\n\r\n", netip.AddrFrom4([4]byte(raw[4:])))
		default:
			fmt.Fprintln(&lines, netip.AddrFrom4([4]byte(raw[4:])))
		}
	}
	return lines.String()
}

func TestMaskLinesAreThoseOfEachLine(t *testing.T) {
	m := testLineMasker(t)
	lines := addressLines(100_000)
	whole, err := m.lineByLine(lines)
	if err != nil || strings.Count(whole, "\n") != 100_000 {
		t.Fatalf("%d lines, %v", strings.Count(whole, "\n"), err)
	}
	for name, in := range map[string]io.Reader{
		"at once":         strings.NewReader(lines),
		"a line unended":  strings.NewReader(strings.TrimSpace(lines)),
		"in halves":       iotest.HalfReader(strings.NewReader(lines)),
		"end with data":   iotest.DataErrReader(strings.NewReader(lines)),
		"in small pieces": bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(lines)), 16),
	} {
		var out bytes.Buffer
		if err := m.copyLines(&out, in); err != nil || out.String() != whole {
			t.Errorf("%s: %v, %d bytes, want %d", name, err, out.Len(), len(whole))
		}
	}
}

func TestMaskLinesUpToABadOne(t *testing.T) {
	m := testLineMasker(t)
	lines := addressLines(50_000)
	good, _ := m.lineByLine(lines)
	n := strings.Count(lines, "\n")
	broken := errors.New("the disk is gone")
	for name, c := range map[string]struct {
		in   io.Reader
		want string // the error
	}{
		"no address":         {strings.NewReader(lines + "192.0.2\n" + lines), fmt.Sprintf(`line %d: "192.0.2": neither an IP address nor a CIDR range`, n+1)},
		"an escape":          {strings.NewReader(lines + "\nfe80::1%\x1b\n" + lines), fmt.Sprintf(`line %d: "fe80::1%%\x1b" has characters that can't be printed`, n+2)},
		"longer than a line": {strings.NewReader(lines + strings.Repeat(" ", maxChunk) + "\n" + lines), fmt.Sprintf("line %d: it has 65536 bytes or more, which no address has", n+1)},
		"cut off":            {io.MultiReader(strings.NewReader(lines+"192.0.2.1"), iotest.ErrReader(broken)), "reading standard input: " + broken.Error()},
	} {
		var out bytes.Buffer
		if err := m.copyLines(&out, c.in); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
		if out.String() != good {
			t.Errorf("%s: %d bytes are written, not the %d before", name, out.Len(), len(good))
		}
	}
}

// TestMaskLinesAnswerAtOnce: who types addresses gets each one's mask.
func TestMaskLinesAnswerAtOnce(t *testing.T) {
	in, typed := io.Pipe()
	read, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := testLineMasker(t).copyLines(out, in)
		out.Close()
		ended <- err
	}()
	answers := bufio.NewReader(read)
	for _, addr := range []string{"192.0.2.1", "2001:db8::1"} {
		fmt.Fprintln(typed, addr)
		if got, err := answers.ReadString('\n'); err != nil || !strings.HasPrefix(got, addr+"\t2001:2f:") {
			t.Errorf("%s: %q, %v", addr, got, err)
		}
	}
	typed.Close()
	if rest, err := io.ReadAll(answers); err != nil || len(rest) > 0 {
		t.Errorf("then %q, %v", rest, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestMaskLinesStopWhereNothingCanBeWritten(t *testing.T) {
	full := errors.New("no space left")
	if err := testLineMasker(t).copyLines(failingWriter{full}, strings.NewReader(addressLines(50_000))); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func FuzzMaskLines(f *testing.F) {
	for _, in := range []string{"", "\n", "192.0.2.1", "192.0.2.1\r\n\n 2001:db8::1%eth0\n", "x\n192.0.2.1\n", "192.0.2.1/24\n\xff\n", "fe80::1%\u202ea\n"} {
		f.Add(in)
	}
	m := testLineMasker(f)
	f.Fuzz(func(t *testing.T, in string) {
		want, wantErr := m.lineByLine(in)
		var out bytes.Buffer
		err := m.copyLines(&out, iotest.HalfReader(strings.NewReader(in)))
		if out.String() != want || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("got %q, %v; line by line %q, %v", out.String(), err, want, wantErr)
		}
	})
}

// BenchmarkMaskLines is `wikiveil mask` of many addresses:
//
//	go test -run '^$' -bench MaskLines -cpu 1,2 ./caddymodule/mask
func BenchmarkMaskLines(b *testing.B) {
	m := testLineMasker(b)
	lines := addressLines(200_000)
	b.ReportAllocs()
	for b.Loop() {
		if err := m.copyLines(io.Discard, strings.NewReader(lines)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*strings.Count(lines, "\n")), "ns/line")
}
