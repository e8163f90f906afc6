package masklog

import (
	"net/netip"
	"slices"
	"strings"
)

// isAgent reports whether a field tells a browser's product names and versions.
func isAgent(key string) bool {
	switch key {
	case "User-Agent", "user_agent", "user-agent", "Server", "Sec-Ch-Ua", "Sec-Ch-Ua-Full-Version", "Sec-Ch-Ua-Full-Version-List":
		return true
	}
	return false
}

// versionsIn returns the versions in a user agent that read as addresses, such as
// YaBrowser/24.1.0.0 and "Chromium";v="156.0.0.0".
func versionsIn(agent string) (versions []netip.Addr) {
	for i := 1; i < len(agent)-len("1.2.3.4")+1; i++ {
		if !startsVersion(agent, i) {
			continue
		}
		end := versionEnd(agent, i)
		if end == 0 || strings.Count(agent[i:end], ".") != 3 {
			continue
		}
		if addr, err := netip.ParseAddr(agent[i:end]); err == nil && !slices.Contains(versions, addr) {
			versions = append(versions, addr)
		}
	}
	return versions
}

// versionEnd returns where the version that starts at i ends, 0 if it is none.
func versionEnd(agent string, i int) int {
	end := i
	for end < len(agent) && (agent[end] == '.' || '0' <= agent[end] && agent[end] <= '9') {
		end++
	}
	if end < len(agent) && strings.IndexByte(" \t);,\"", agent[end]) < 0 {
		return 0
	}
	return end
}

// hideInAgent is hidePart but for versions of several parts, such as Chrome/120.0.6099.109.
func (c *copier) hideInAgent(from, end int) {
	agent, start := c.text[from:end], from
	for i := 1; i < len(agent); i++ {
		if !startsVersion(agent, i) {
			continue
		}
		if end := versionEnd(agent, i); end > i && strings.IndexByte(agent[i:end], '.') > 0 {
			c.hidePart(from, start+i)
			from, i = start+end, end
		}
	}
	c.hidePart(from, end)
}

// startsVersion reports whether a product's name, or that of a version in a client hint, ends before i.
func startsVersion(agent string, i int) bool {
	if agent[i] < '0' || '9' < agent[i] {
		return false
	}
	switch before := agent[:i]; before[i-1] {
	case '/':
		from := i - 1
		for from > 0 && isToken(before[from-1]) {
			from--
		}
		boundary := from == 0 || strings.IndexByte(" \t(;,", before[from-1]) >= 0
		return boundary && strings.ContainsFunc(before[from:i-1], isLetter)
	case '"':
		return i == 1 || strings.HasSuffix(before, `;v="`)
	}
	return false
}

func isLetter(r rune) bool { return 'a' <= r|0x20 && r|0x20 <= 'z' }

func isToken(c byte) bool {
	return isLetter(rune(c)) || '0' <= c && c <= '9' || strings.IndexByte("-_.+!~*'&", c) >= 0
}
