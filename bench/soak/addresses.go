package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// direct, forwarded and forwarded6 are addresses of clients: of those that connect themselves, and of those that a trusted proxy names.
func direct(i int) netip.Addr    { return netip.AddrFrom4([4]byte{127, 77, byte(i), byte(200 - i)}) }
func forwarded(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(20 + i)}) }
func forwarded6(i int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("2001:db8:77%02x:a::c%x", i, i))
}

// spellings are ways to write an address.
func spellings(addr netip.Addr) []string {
	if addr.Is6() {
		return []string{addr.String(), addr.StringExpanded(), "[" + addr.String() + "]:4711", strings.ToUpper(addr.String()), strings.ReplaceAll(addr.String(), ":", "%3A")}
	}
	four := addr.As4()
	n := binary.BigEndian.Uint32(four[:])
	return []string{
		addr.String(), addr.String() + ":4711", "::ffff:" + addr.String(), fmt.Sprintf("%08x", n), fmt.Sprintf("0x%08X", n), strconv.FormatUint(uint64(n), 10),
		strings.ReplaceAll(addr.String(), ".", "-"), strings.ReplaceAll(addr.String(), ".", "_"), strings.ReplaceAll(addr.String(), ".", "%2E"),
		fmt.Sprintf("%03d.%03d.%03d.%03d", four[0], four[1], four[2], four[3]),
		fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa", four[3], four[2], four[1], four[0]),
		fmt.Sprintf("::ffff:%x:%x", n>>16, n&0xffff),
	}
}

// finder finds clients' addresses in what the edge lets out. It shares no code with the edge.
type finder struct {
	four map[netip.Addr]bool
	six  map[netip.Prefix]bool
	word map[string]bool // hexadecimal and decimal
}

func newFinder(addrs []netip.Addr) *finder {
	f := &finder{make(map[netip.Addr]bool), make(map[netip.Prefix]bool), make(map[string]bool)}
	for _, addr := range addrs {
		if addr.Is6() {
			f.six[netip.PrefixFrom(addr, 64).Masked()] = true
			continue
		}
		four := addr.As4()
		n := binary.BigEndian.Uint32(four[:])
		f.four[addr] = true
		f.word[fmt.Sprintf("%08x", n)] = true
		f.word[strconv.FormatUint(uint64(n), 10)] = true
	}
	return f
}

var (
	fourNumbers = regexp.MustCompile(`\d{1,3}(?:[._-]\d{1,3}){3,}`)
	sixGroups   = regexp.MustCompile(`[0-9a-f]*:[0-9a-f:]*:[0-9a-f:.]*`)
	words       = regexp.MustCompile(`[0-9a-f]{8,10}`)
	escapes     = strings.NewReplacer("%2e", ".", "%3a", ":", "%2d", "-", "%5f", "_")
)

// find returns a client's address as it stands in a text, or "".
func (f *finder) find(data string) string {
	text := escapes.Replace(strings.ToLower(data))
	for _, found := range words.FindAllString(text, -1) {
		if f.word[found] {
			return found
		}
	}
	for _, found := range fourNumbers.FindAllString(text, -1) {
		if f.dotted(found) {
			return found
		}
	}
	for _, found := range sixGroups.FindAllString(text, -1) {
		if f.isSix(found) {
			return found
		}
	}
	return ""
}

// dotted reports whether four numbers in a row, there or backwards, are an address.
func (f *finder) dotted(text string) bool {
	var bytes []byte
	for part := range strings.FieldsFuncSeq(text, func(c rune) bool { return c < '0' || c > '9' }) {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			bytes = nil
			continue
		}
		if bytes = append(bytes, byte(n)); len(bytes) < 4 {
			continue
		}
		four := [4]byte(bytes[len(bytes)-4:])
		if f.four[netip.AddrFrom4(four)] || f.four[netip.AddrFrom4([4]byte{four[3], four[2], four[1], four[0]})] {
			return true
		}
	}
	return false
}

func (f *finder) isSix(text string) bool {
	for _, spelt := range []string{text, strings.Trim(text, ".:"), strings.TrimRight(text, ".:")} {
		addr, err := netip.ParseAddr(spelt)
		if err != nil {
			continue
		}
		if addr.Is4In6() {
			return f.four[addr.Unmap()]
		}
		return addr.Is6() && f.six[netip.PrefixFrom(addr, 64).Masked()]
	}
	return false
}
