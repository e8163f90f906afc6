package sightings

import (
	"bytes"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/masking"
)

func testEpoch(t testing.TB, fill byte) masking.Epoch {
	t.Helper()
	ring, err := masking.ConfiguredRing(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return ring.Epochs()[0]
}

func testVault(t testing.TB, fill byte, day Day) *vault {
	t.Helper()
	v, err := newVault(testEpoch(t, fill), day)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var (
	clientA  = netip.MustParseAddr("2001:2f:a::1")
	clientB  = netip.MustParseAddr("2001:2f:b::1")
	networkA = netip.MustParseAddr("2001:2e:a::1")
	networkB = netip.MustParseAddr("2001:2e:b::1")
)

func fullNote() note {
	return note{first: 1795334400, last: 1795337999, count: 12345, whole: &observation{
		site: "wiki", asn: math.MaxUint32, org: "Charter Communications, Inc",
		country: 6252001, region: 5128638, city: 5128581,
		ranges:     []Network{{networkA, 4, 16}, {networkB, 4, 24}},
		allocation: Network{networkB, 4, 15},
		named:      []NamedNetwork{{"tor", networkA}, {"hosting", netip.Addr{}}},
		box:        bytes.Repeat([]byte{7}, 130),
	}}
}

func TestNoteRoundTrip(t *testing.T) {
	v6 := fullNote()
	v6.whole.ranges = []Network{{networkA, 6, 128}, {networkB, 6, 0}}
	v6.whole.allocation = Network{}
	many := fullNote()
	for range maxNetworks - len(many.whole.ranges) {
		many.whole.ranges = append(many.whole.ranges, Network{networkA, 4, 8})
	}
	tests := map[string]note{
		"whole":             fullNote(),
		"whole, IPv6":       v6,
		"whole, empty":      {whole: &observation{}},
		"whole, most":       many,
		"again":             {first: 1795334400, last: 1795334400, count: 1},
		"before 1970":       {first: -1e9, last: -1e9 + 5, count: 2},
		"as late as can be": {first: 1 << 40, last: 1 << 40, count: 1 << 62},
	}
	for name, n := range tests {
		data := n.encode()
		got, err := decodeNote(data)
		if err != nil || !reflect.DeepEqual(got, n) {
			t.Errorf("%s: %+v, %v\nwant %+v", name, got, err, n)
		}
		pad := againPad
		if n.whole != nil {
			pad = wholePad
		}
		if len(data)%pad != 0 {
			t.Errorf("%s: %d bytes are not padded", name, len(data))
		}
	}
}

func TestNoteIsCut(t *testing.T) {
	n := fullNote()
	n.whole.org = strings.Repeat("ä", 200) // 400 bytes
	n.whole.named = make([]NamedNetwork, 100)
	got, err := decodeNote(n.encode())
	if err != nil || got.whole.org != strings.Repeat("ä", 127) || len(got.whole.named) != maxNetworks {
		t.Errorf("%d bytes, %d networks, %v", len(got.whole.org), len(got.whole.named), err)
	}
}

func TestMalformedNotes(t *testing.T) {
	whole, again := fullNote().encode(), note{first: 5, last: 6, count: 7}.encode()
	edit := func(data []byte, at int, b byte) []byte {
		data = bytes.Clone(data)
		data[at] = b
		return data
	}
	tests := map[string][]byte{
		"empty":               nil,
		"unknown kind":        edit(again, 0, 3),
		"only a kind":         {kindWhole},
		"padding is not zero": edit(again, len(again)-1, 1),
		"count is missing":    again[:3],
		"cut in the middle":   whole[:60],
		"endless number":      append([]byte{kindAgain}, bytes.Repeat([]byte{0xff}, 40)...),
		"a string too long":   {kindWhole, 0, 0, 0, 0xff, 0xff, 0x01},
		"a family of 5":       append(append([]byte{kindWhole}, make([]byte, 9)...), append([]byte{1, 5, 1}, make([]byte, 40)...)...),
	}
	for name, data := range tests {
		if n, err := decodeNote(data); !errors.Is(err, errEncoding) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

func FuzzDecodeNote(f *testing.F) {
	f.Add(fullNote().encode())
	f.Add(note{first: 5, last: 6, count: 7}.encode())
	f.Add([]byte{kindWhole})
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := decodeNote(data)
		if err != nil {
			return
		}
		again, err := decodeNote(n.encode())
		if err != nil || !reflect.DeepEqual(again, n) {
			t.Fatalf("%+v reads back as %+v, %v", n, again, err)
		}
	})
}

func TestValuesOpenInTheirPlaceOnly(t *testing.T) {
	v := testVault(t, 1, 20779)
	a, b := v.ref(clientA), v.ref(clientB)
	e := v.lock(a, fullNote())
	if n, err := v.open(e); err != nil || !reflect.DeepEqual(n, fullNote()) {
		t.Fatalf("open = %+v, %v", n, err)
	}
	moved := e
	moved.Ref = b
	changed, version, short := e, e, e
	changed.Value = bytes.Clone(e.Value)
	changed.Value[len(e.Value)/2] ^= 1
	version.Value = append([]byte{9}, e.Value[1:]...)
	short.Value = e.Value[:5]
	for name, tt := range map[string]struct {
		vault *vault
		entry Entry
	}{
		"under another mask": {v, moved},
		"on another day":     {testVault(t, 1, 20780), e},
		"in another epoch":   {testVault(t, 2, 20779), e},
		"changed":            {v, changed},
		"of another version": {v, version},
		"cut short":          {v, short},
		"empty":              {v, Entry{Ref: a}},
	} {
		if n, err := tt.vault.open(tt.entry); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

// A mask is public; where its records are must not follow from it, nor from one day to the next.
func TestKeysAreUnrelated(t *testing.T) {
	seen := make(map[Key]string)
	for name, v := range map[string]*vault{
		"a day": testVault(t, 1, 20779), "the next day": testVault(t, 1, 20780), "another epoch": testVault(t, 2, 20779),
	} {
		ref := v.ref(clientA)
		if v.ref(clientA) != ref {
			t.Errorf("%s: the key changes", name)
		}
		mask := clientA.As16()
		if other := seen[ref.Key]; other != "" || bytes.Contains(ref.Key[:], mask[:4]) {
			t.Errorf("%s: key %x, as %q", name, ref.Key, other)
		}
		seen[ref.Key] = name
	}
}

func TestDays(t *testing.T) {
	tests := []struct {
		at, want string
	}{
		{"2026-11-22T00:00:00Z", "2026-11-22"},
		{"2026-11-22T23:59:59.999Z", "2026-11-22"},
		{"2026-11-23T01:00:00+02:00", "2026-11-22"},
		{"1970-01-01T00:00:00Z", "1970-01-01"},
		{"1969-12-31T23:59:59Z", "1969-12-31"},
		{"1960-02-29T12:00:00Z", "1960-02-29"},
	}
	for _, tt := range tests {
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		day := DayOf(at)
		if day.String() != tt.want || at.Before(day.Start()) || !at.Before((day + 1).Start()) {
			t.Errorf("%s: day %v", tt.at, day)
		}
		p := Part{day, "0123456789ab"}
		if got, err := ParsePart(p.String()); err != nil || got != p {
			t.Errorf("%v: %v, %v", p, got, err)
		}
	}
}

func FuzzParsePart(f *testing.F) {
	f.Add("2026-11-22-0123456789ab")
	f.Add("2026-11-22-../../etc")
	f.Add("9999-12-31-f")
	f.Fuzz(func(t *testing.T, name string) {
		if p, err := ParsePart(name); err == nil && (p.String() != name || strings.ContainsAny(name, "/\\.\x00")) {
			t.Fatalf("%q reads as %v", name, p)
		}
	})
}

func TestMergeIsOrderless(t *testing.T) {
	older, newer := fullNote(), fullNote()
	older.first, older.last, older.count = 100, 100, 1
	newer.first, newer.last, newer.count = 300, 300, 1
	newer.whole.org, newer.whole.asn = "Successor", 7
	again := note{first: 50, last: 500, count: 10} // the clock stepped back between
	for _, notes := range [][]note{{older, newer, again}, {again, newer, older}, {newer, again, older}} {
		r, ok := merge(clientA, "ab", notes)
		if !ok || r.Org != "Successor" || r.ASN != 7 || r.Count != 12 || r.First.Unix() != 50 || r.Last.Unix() != 500 {
			t.Errorf("merge = %+v, %v", r, ok)
		}
	}
	if _, ok := merge(clientA, "ab", []note{again}); ok {
		t.Error("a record of nothing but that it was seen again")
	}
	if _, ok := merge(clientA, "ab", nil); ok {
		t.Error("a record of nothing")
	}
}

func TestRecordWords(t *testing.T) {
	for want, r := range map[string]Record{
		"Charter Communications, Inc (AS20115)": {ASN: 20115, Org: "Charter Communications, Inc"},
		"AS20115":                               {ASN: 20115},
		"Nameless":                              {Org: "Nameless"},
		"unknown":                               {},
	} {
		if got := r.Organization(); got != want {
			t.Errorf("Organization = %q, want %q", got, want)
		}
	}
	if got := (Network{networkA, 4, 15}).String(); got != "2001:2e:a::1 (an IPv4 /15)" {
		t.Errorf("Network = %q", got)
	}
	if got := (Network{}).String(); got != "unknown" {
		t.Errorf("Network = %q", got)
	}
	for n, want := range map[uint64]string{0: "1", 1: "1", 2: "2 to 9", 9: "2 to 9", 10: "10 to 99", 99: "10 to 99", 999: "100 to 999", 1000: "1000 or more"} {
		if got := CountRange(n); got != want {
			t.Errorf("CountRange(%d) = %q", n, got)
		}
	}
}

func TestCompareRecords(t *testing.T) {
	wide, narrow, other := Network{networkA, 4, 15}, Network{networkB, 4, 24}, Network{networkB, 6, 24}
	record := func(asn, country, region, city uint32, allocation Network, ranges ...Network) Record {
		return Record{ASN: asn, Country: country, Region: region, City: city, Allocation: allocation, Ranges: ranges}
	}
	tests := []struct {
		name    string
		records []Record
		want    Comparison
	}{
		{"all the same", []Record{record(1, 2, 3, 4, wide, narrow), record(1, 2, 3, 4, wide, narrow)}, Comparison{Same, Same, Same, Same, narrow}},
		{"another city of the region, the allocation in common", []Record{record(1, 2, 3, 4, wide, narrow), record(1, 2, 3, 5, wide, other)},
			Comparison{Same, Same, Same, NotSame, wide}},
		{"nothing in common", []Record{record(1, 2, 3, 4, wide), record(5, 6, 7, 8, other)}, Comparison{NotSame, NotSame, NotSame, NotSame, Network{}}},
		{"nothing known", []Record{{}, {}}, Comparison{}},
		{"known of one only", []Record{record(1, 2, 3, 4, Network{}), {}}, Comparison{}},
		{"two differ, the third is not known", []Record{record(1, 2, 3, 4, wide), {}, record(5, 2, 3, 4, wide)}, Comparison{Organization: NotSame}},
		{"three", []Record{record(1, 2, 3, 4, wide, narrow), record(1, 2, 3, 4, wide, narrow), record(1, 2, 3, 9, wide)},
			Comparison{Same, Same, Same, NotSame, wide}},
		{"one's allocation is the other's range", []Record{record(0, 0, 0, 0, narrow), record(0, 0, 0, 0, wide, narrow)}, Comparison{Network: narrow}},
		{"same mask of another width is another network", []Record{record(0, 0, 0, 0, Network{networkA, 4, 15}), record(0, 0, 0, 0, Network{networkA, 4, 16})}, Comparison{}},
		{"none", nil, Comparison{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := CompareRecords(tt.records); got != tt.want {
				t.Errorf("CompareRecords = %+v\nwant %+v", got, tt.want)
			}
		})
	}
	if s := Same.String() + NotSame.String() + Unknown.String(); s != "SameNot SameUnknown" {
		t.Error(s)
	}
}

func FuzzDecodeMember(f *testing.F) {
	f.Add(member{memberPublished, clientA, networkA}.encode())
	f.Add(member{memberNetwork, networkB, networkB}.encode())
	f.Add([]byte{0})
	f.Add(fullNote().encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeMember(data)
		if err != nil {
			if !errors.Is(err, errEncoding) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(m.encode(), data) {
			t.Fatalf("%x decodes to what encodes to %x", data, m.encode())
		}
	})
}
