// Package forwarded reads what a proxy says of the client before it: the lists of X-Forwarded-For and
// its kin, and RFC 7239's Forwarded. It reads whatever can only mean one address, in the many ways that
// proxies write one, and nothing else: who guesses takes one client for another.
package forwarded

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// ErrUnreadable is that an element doesn't tell an address, or could mean several.
var ErrUnreadable = errors.New("not one client's address")

// Parse reads one element of a list: an address in brackets or quotes or without, with a port or
// without. IPv4-mapped addresses are IPv4 and zones are dropped. The error never holds the text.
func Parse(element string) (netip.Addr, error) {
	text := strings.Trim(element, " \t")
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	if len(text) > len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%]:65535")+64 { // a zone's name, generously
		return netip.Addr{}, ErrUnreadable
	}
	addr, ok := parseHost(text)
	if !ok || !canBeClient(addr) {
		return netip.Addr{}, ErrUnreadable
	}
	return addr, nil
}

// canBeClient rules out addresses that no client has; proxies write them where they know none.
func canBeClient(addr netip.Addr) bool {
	return !addr.IsUnspecified() && !addr.IsMulticast() && addr != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func parseHost(text string) (netip.Addr, bool) {
	if strings.HasPrefix(text, "[") {
		host, port, closed := strings.Cut(text[1:], "]")
		if !closed || port != "" && !isPort(port) {
			return netip.Addr{}, false
		}
		return parseAddr(host)
	}
	if addr, ok := parseAddr(text); ok {
		return addr, true
	}
	last := strings.LastIndexByte(text, ':')
	if last < 0 || !isPort(text[last:]) {
		return netip.Addr{}, false
	}
	host := text[:last]
	if strings.Contains(host, ":") && !standsAlone(host, text[last+1:]) {
		return netip.Addr{}, false
	}
	return parseAddr(host)
}

// standsAlone reports whether what follows an IPv6 address without brackets can only be a port: where
// the address has all its groups already, or the number is too long for a group.
func standsAlone(host, port string) bool {
	return len(port) == len("65535") || !strings.Contains(host, "::")
}

// isPort reports whether text is a colon and a port's number, or RFC 7239's name in place of one.
func isPort(text string) bool {
	port, found := strings.CutPrefix(text, ":")
	if !found {
		return false
	}
	if name, hidden := strings.CutPrefix(port, "_"); hidden {
		return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
			return c != '.' && c != '_' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z')
		})
	}
	if port == "" {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == port
}

func parseAddr(text string) (netip.Addr, bool) {
	if strings.Contains(text, ":") {
		text, _, _ = strings.Cut(text, "%")
		colon := strings.LastIndexByte(text, ':')
		if tail := text[colon+1:]; strings.Contains(tail, ".") {
			tail, ok := unpad(tail)
			if !ok {
				return netip.Addr{}, false
			}
			text = text[:colon+1] + tail
		}
	} else {
		var ok bool
		if text, ok = unpad(text); !ok {
			return netip.Addr{}, false
		}
	}
	addr, err := netip.ParseAddr(text)
	return addr.Unmap(), err == nil
}

// unpad takes the zeros off the numbers of an IPv4 address. Some read a number with one in front as
// octal: one that would be another number then is no address.
func unpad(text string) (string, bool) {
	if !strings.HasPrefix(text, "0") && !strings.Contains(text, ".0") {
		return text, true
	}
	parts := strings.Split(text, ".")
	for i, part := range parts {
		if len(part) < 2 || part[0] != '0' {
			continue
		}
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || len(part) > 3 {
			return "", false
		}
		if octal, err := strconv.ParseUint(part, 8, 8); err == nil && octal != n {
			return "", false
		}
		parts[i] = strconv.FormatUint(n, 10)
	}
	return strings.Join(parts, "."), true
}
