package spelling

import (
	"net/netip"
	"testing"
)

// Case 2. A host is an address in any spelling that a resolver takes.
func TestCase2Host(t *testing.T) {
	for host, want := range map[string]string{
		"127.11.22.33": "127.11.22.33", "127.013.026.041": "127.11.22.33", "0177.013.026.041": "127.11.22.33", "0x7f.0xb.22.33": "127.11.22.33",
		"0X7F.0XB.0x16.0x21:80": "127.11.22.33", "2131432993": "127.11.22.33", "127.11.5665": "127.11.22.33", "127.726561": "127.11.22.33", "0x7f0b1621.": "127.11.22.33",
		"017702613041:443": "127.11.22.33", "127.1": "127.0.0.1", "1": "0.0.0.1", "127.0.0.1.": "127.0.0.1",
		"": "", "wiki.example": "", "1.2.3.4.5": "", "256.1": "", "1.2.3.256": "", "1..2": "", "09.1.1.1.1": "", "127.0.0.x": "", "0xg": "", "4294967296": "", "::1": "", "[::1]:80": "",
	} {
		got, ok := Host(host)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%q is %v, %t, want %q", host, got, ok, want)
		}
	}
	f := finderOf(netip.MustParseAddr("127.0.0.9"))
	for host, want := range map[string]bool{"127.9": true, "127.0.9:80": true, "127.000.000.009": true, "127.0.0.011": true, "www.127-0-0-9.nip.example": true, "127.8": false, "wiki.example": false} {
		if f.FindsHost(host) != want {
			t.Errorf("%q: %t", host, !want)
		}
	}
	if f = f.Except(netip.MustParseAddr("127.0.0.9")); f.FindsHost("127.9") || f.FindsHost("127.0.0.9") {
		t.Error("the server's own address is found")
	}
}
