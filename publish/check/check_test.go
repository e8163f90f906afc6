package check

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/wikiveil/wikiveil/publish/inorder"
	"github.com/wikiveil/wikiveil/publish/packed"
)

func run(t *testing.T, in string, o Options) []Finding {
	t.Helper()
	var all []Finding
	size, err := Run(strings.NewReader(in), o, func(f Finding) { all = append(all, f) })
	if err != nil || size != int64(len(in)) {
		t.Fatalf("%d bytes, %v", size, err)
	}
	return all
}

const dump = `<mediawiki>
  <page>
    <title>User:2001:2F:1A2B:3C4D:5E6F:708:90A:B0C</title>
    <revision>
      <id>1234567890</id>
      <timestamp>2026-11-30T10:11:12Z</timestamp>
      <contributor>
        <ip>203.0.113.77</ip>
      </contributor>
      <text bytes="1234567890" sha1="phoiac9h4m842xq45sp7s6u21eteeq1">one
two 198.51.100.8 and Foo/1.2.3.4
three 192.0.2.0/24, 1234567890</text>
    </revision>
  </page>
</mediawiki>
`

func TestWhere(t *testing.T) {
	all := run(t, dump, Options{})
	var got []string
	for _, f := range all {
		got = append(got, fmt.Sprint(f.Line, " ", f.Element, " ", f.What, " ", f.text))
		if at := dump[f.Byte:][:f.Bytes]; at != f.text {
			t.Errorf("byte %d has %q, not %q", f.Byte, at, f.text)
		}
	}
	want := []string{"8 ip address 203.0.113.77", "11 text address 198.51.100.8", "11 text address 1.2.3.4", "12 text range 192.0.2.0/24"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	some := run(t, dump, Options{Versions: true, Keep: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}})
	if len(some) != 2 || some[0].text != "203.0.113.77" || some[1].text != "192.0.2.0/24" {
		t.Errorf("with versions and what may stay: %v", some)
	}
	possible := run(t, dump, Options{Possible: true})
	if len(possible) != 5 || possible[4].What != Possible || possible[4].text != "1234567890" {
		t.Errorf("possible ones: %v", possible)
	}
}

// A finding of a long file has its place in it, and its element, whichever piece it is in; many are found in their order.
func TestLongFile(t *testing.T) {
	var b strings.Builder
	b.WriteString("<text>\n")
	var want []int64
	for b.Len() < 3*pieceSize {
		want = append(want, int64(b.Len()))
		b.WriteString("203.0.113.77")
		b.WriteString(strings.Repeat(" some words of a text\n", 200))
	}
	for i, f := range run(t, b.String(), Options{}) {
		if i >= len(want) || f.Byte != want[i] || f.Line != int64(200*i+2) || f.Element != "text" {
			t.Fatalf("finding %d: %+v, want byte %d", i, f, want[i])
		}
	}
}

func TestPacked(t *testing.T) {
	for _, format := range []packed.Format{packed.Gzip, packed.Bzip2, packed.Zstd, packed.XZ} {
		var file bytes.Buffer
		w, err := packed.NewWriter(&file, format)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, strings.Repeat(dump, 3000)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		count := 0
		size, err := Run(bytes.NewReader(file.Bytes()), Options{}, func(Finding) { count++ })
		if err != nil || count != 4*3000 || size != int64(3000*len(dump)) {
			t.Errorf("%s: %d findings in %d bytes, %v", format, count, size, err)
		}
		for name, bad := range map[string][]byte{
			"truncated": file.Bytes()[:file.Len()*2/3], "corrupt": corrupt(file.Bytes()), "followed by rubbish": append(slices.Clone(file.Bytes()), "rubbish"...),
		} {
			if _, err := Run(bytes.NewReader(bad), Options{}, func(Finding) {}); err == nil {
				t.Errorf("%s, %s: no error", format, name)
			}
		}
	}
}

func corrupt(data []byte) []byte {
	data = slices.Clone(data)
	for i := range 8 {
		data[len(data)/2+i] ^= 0xff
	}
	return data
}

func TestBadInput(t *testing.T) {
	broken := errors.New("the disk is gone")
	for name, c := range map[string]struct {
		in   io.Reader
		want string
	}{
		"UTF-16":      {strings.NewReader("\xff\xfe2\x000\x003\x00"), "it is in UTF-16 or UTF-32: convert it to UTF-8 first"},
		"a long line": {strings.NewReader(strings.Repeat("x", longestLine+1)), inorder.ErrLongRecord.Error()},
		"a bad disk":  {io.MultiReader(strings.NewReader(dump), iotest.ErrReader(broken)), broken.Error()},
	} {
		if _, err := Run(c.in, Options{}, func(Finding) {}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCompressedTexts(t *testing.T) {
	all := run(t, "INSERT INTO `text` VALUES (1,'x\\0y','utf-8,gzip'),(2,'a','utf-8');\n", Options{})
	if len(all) != 1 || all[0].What != Compressed {
		t.Errorf("got %v", all)
	}
}

func FuzzRun(f *testing.F) {
	f.Add([]byte(dump))
	f.Add([]byte("BZh9" + base64.StdEncoding.EncodeToString([]byte("1"))))
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	f.Add([]byte("\xfd7zXZ\x00\x00\x04"))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, in []byte) {
		at := int64(0)
		_, err := Run(bytes.NewReader(in), Options{Possible: true}, func(f Finding) {
			if f.Byte < at {
				t.Fatal("out of order")
			}
			at = f.Byte
		})
		_ = err
	})
}
