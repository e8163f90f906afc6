package main

import (
	"net/netip"
	"testing"
)

func TestFinder(t *testing.T) {
	all := []netip.Addr{direct(3), forwarded(4), forwarded6(5)}
	f := newFinder(all)
	for _, addr := range all {
		for _, spelt := range spellings(addr) {
			for _, text := range []string{spelt, `{"a":"` + spelt + `","b":1}`, "for=" + spelt + ", x", "at " + spelt + "."} {
				if f.find(text) == "" {
					t.Errorf("%s is not found in %q", addr, text)
				}
			}
		}
	}
	for _, text := range []string{
		"", "127.0.0.1:8080", "2001:2f:1234:5678:9abc:def0:1234:5678", direct(4).String(), forwarded6(6).String(),
		`{"ts":1796036961.1234567,"id":"3f2504e0-4f89-41d3-9a0c-0305e82c3301"}`, "12:30:45", "::1",
	} {
		if found := f.find(text); found != "" {
			t.Errorf("%q: found %q", text, found)
		}
	}
}
