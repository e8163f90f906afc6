package backfill

import (
	"net/netip"
	"strings"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/publish/wikiname"
)

// names masks the names of unregistered users.
type names struct {
	masker *masking.Masker
	// registered are names that look like addresses and belong to accounts, as from before MediaWiki refused them.
	registered map[string]bool
}

// addr is the mask of an address or a range in MediaWiki's spelling; of a mask there is none.
func (n names) addr(name string) (netip.Addr, bool) {
	prefix, ok := wikiname.ParseRange(name)
	if addr, isAddr := wikiname.Parse(name); isAddr {
		prefix, ok = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), true
	}
	if !ok || masking.Is(prefix.Addr()) || n.registered[name] {
		return netip.Addr{}, false
	}
	mask, err := n.masker.Block(prefix)
	return mask, err == nil
}

// name masks an address or a range that is the whole of a value.
func (n names) name(name string) (string, bool) {
	mask, ok := n.addr(name)
	if !ok {
		return "", false
	}
	return wikiname.Spell(mask), true
}

// title masks the title of a page of a user or their talk page, or of one below it, without its namespace. "192.0.2.0/24" is a
// range's, "192.0.2.7/24" a page below that of an address.
func (n names) title(title string) (string, bool) {
	root, below, isBelow := strings.Cut(title, "/")
	if prefix, ok := wikiname.ParseRange(title); ok {
		if addr, _ := wikiname.Parse(root); addr == prefix.Addr() {
			return n.name(title)
		}
	}
	mask, ok := n.name(root)
	if ok && isBelow {
		mask += "/" + below
	}
	return mask, ok
}

// ip masks an address as MediaWiki writes down where a request came from: as it came.
func (n names) ip(text string) (string, bool) {
	mask, ok := n.addr(text)
	return mask.String(), ok
}

// ips masks the addresses in a value of X-Forwarded-For.
func (n names) ips(text string) (string, bool) {
	list := strings.Split(text, ",")
	changed := false
	for i, element := range list {
		if mask, ok := n.ip(strings.TrimSpace(element)); ok {
			list[i], changed = mask, true
		}
	}
	return strings.Join(list, ", "), changed
}

// hex masks an address in hexadecimal.
func (n names) hex(text string) (string, bool) {
	addr, ok := wikiname.ParseHex(text)
	if !ok || masking.Is(addr) {
		return "", false
	}
	mask, err := n.masker.Client(addr)
	return wikiname.Hex(mask), err == nil
}

// value masks a parameter of a log's entry that is a name, or a page's title with its namespace in any language.
func (n names) value(text string) (string, bool) {
	if mask, ok := n.name(text); ok {
		return mask, true
	}
	namespace, title, ok := strings.Cut(text, ":")
	if !ok || namespace == "" {
		return "", false
	}
	mask, ok := n.title(title)
	return namespace + ":" + mask, ok
}
