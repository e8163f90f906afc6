package masking

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"testing"
)

type vectorFile []struct {
	Secret string `json:"secret"`
	Site   string `json:"site"`
	Cases  []struct {
		Kind     string `json:"kind"`
		Address  string `json:"address"`
		V6Prefix int    `json:"v6_prefix"`
		Prefix   string `json:"prefix"`
		Name     string `json:"name"`
		ID       string `json:"id"`
		Mask     string `json:"mask"`
	} `json:"cases"`
}

func readVectors(tb testing.TB) vectorFile {
	tb.Helper()
	data, err := os.ReadFile("testdata/masks.json")
	if err != nil {
		tb.Fatal(err)
	}
	var v vectorFile
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatal(err)
	}
	if len(v) == 0 {
		tb.Fatal("no vectors")
	}
	return v
}

func TestVectors(t *testing.T) {
	for _, group := range readVectors(t) {
		secret, err := hex.DecodeString(group.Secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range group.Cases {
			m, err := NewMasker(secret, group.Site, c.V6Prefix)
			if err != nil {
				t.Fatal(err)
			}
			var got netip.Addr
			switch c.Kind {
			case "client":
				got, err = m.Client(netip.MustParseAddr(c.Address))
			case "range":
				got, err = m.Range(netip.MustParsePrefix(c.Prefix))
			case "network":
				got, err = m.Network(c.Name)
			case "session":
				id, hexErr := hex.DecodeString(c.ID)
				if hexErr != nil {
					t.Fatal(hexErr)
				}
				got, err = m.Session(id)
			default:
				t.Fatalf("unknown kind %q", c.Kind)
			}
			if err != nil || got.String() != c.Mask {
				t.Errorf("site %q, %s %s%s%s%s: got %v, %v, want %s",
					group.Site, c.Kind, c.Address, c.Prefix, c.Name, c.ID, got, err, c.Mask)
			}
			if !Is(got) {
				t.Errorf("%v is not taken for a mask", got)
			}
			if wantNetwork := c.Kind == "range" || c.Kind == "network"; IsNetwork(got) != wantNetwork {
				t.Errorf("%v: IsNetwork = %v, want %v", got, IsNetwork(got), wantNetwork)
			}
		}
	}
}

func testMasker(tb testing.TB) *Masker {
	tb.Helper()
	m, err := NewMasker(make([]byte, 32), "test", 0)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestRangeOfMappedAddressesIsTheIPv4Range(t *testing.T) {
	m := testMasker(t)
	mapped, err1 := m.Range(netip.MustParsePrefix("::ffff:192.0.2.77/120"))
	plain, err2 := m.Range(netip.MustParsePrefix("192.0.2.0/24"))
	if err1 != nil || err2 != nil || mapped != plain {
		t.Errorf("mapped %v (%v), plain %v (%v)", mapped, err1, plain, err2)
	}
}

func TestRefusals(t *testing.T) {
	m := testMasker(t)
	for name, c := range map[string]struct {
		call func() error
		want error
	}{
		"secret of 31 bytes": {func() error { _, err := NewMasker(make([]byte, 31), "", 0); return err }, ErrShortSecret},
		"no secret":          {func() error { _, err := NewMasker(nil, "", 0); return err }, ErrShortSecret},
		"prefix of 63":       {func() error { _, err := NewMasker(make([]byte, 32), "", 63); return err }, ErrV6Prefix},
		"negative prefix":    {func() error { _, err := NewMasker(make([]byte, 32), "", -64); return err }, ErrV6Prefix},
		"zero address":       {func() error { _, err := m.Client(netip.Addr{}); return err }, ErrInvalidAddress},
		"zero range":         {func() error { _, err := m.Range(netip.Prefix{}); return err }, ErrInvalidPrefix},
		"range too long": {func() error {
			_, err := m.Range(netip.PrefixFrom(netip.MustParseAddr("192.0.2.1"), 33))
			return err
		}, ErrInvalidPrefix},
		"empty name":    {func() error { _, err := m.Network(""); return err }, ErrEmptyName},
		"empty session": {func() error { _, err := m.Session(nil); return err }, ErrEmptySession},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.call(); !errors.Is(err, c.want) {
				t.Errorf("got error %v, want %v", err, c.want)
			}
		})
	}
}

// FuzzClient shows that no input panics, that equal clients get equal masks,
// and that clients which differ within the prefix do not.
func FuzzClient(f *testing.F) {
	for _, group := range readVectors(f) {
		for _, c := range group.Cases {
			f.Add(c.Address)
		}
	}
	for _, s := range []string{"", "::", "0.0.0.0", "::ffff:1.2.3.4", "fe80::1%", "fe80::1%eth0", "2001:2f::1", "1.2.3.4%x", "::%\x00"} {
		f.Add(s)
	}
	m := testMasker(f)
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			addr = netip.Addr{} // must not panic either
		}
		mask, err := m.Client(addr)
		if (err == nil) != addr.IsValid() {
			t.Fatalf("%q: error %v", s, err)
		}
		if err != nil {
			return
		}
		if b := mask.As16(); [4]byte(b[:4]) != clientHead {
			t.Fatalf("%q: %v is not a client's mask", s, mask)
		}
		plain := addr.Unmap().WithZone("")
		same := []netip.Addr{plain, plain.WithZone("other")}
		other := plain.Next()
		if plain.Is4() {
			same = append(same, netip.AddrFrom16(plain.As16()))
		} else {
			network := netip.PrefixFrom(plain, DefaultV6Prefix).Masked()
			same = append(same, network.Addr())
			b := network.Addr().As16()
			b[7]++
			other = netip.AddrFrom16(b)
		}
		for _, a := range same {
			if got, err := m.Client(a); err != nil || got != mask {
				t.Errorf("%v and %v are one client, but got %v and %v (%v)", addr, a, mask, got, err)
			}
		}
		if got, err := m.Client(other); err == nil && got == mask && !other.Is4In6() {
			t.Errorf("%v and %v are two clients, but share %v", addr, other, mask)
		}
	})
}

func BenchmarkMaskerClient(b *testing.B) {
	m := testMasker(b)
	addr := netip.MustParseAddr("2001:db8::1")
	b.Run("single", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.Client(addr); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("contended", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := m.Client(addr); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
