package scrub

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/publish/find"
	"github.com/wikiveil/wikiveil/publish/inorder"
	"github.com/wikiveil/wikiveil/publish/wikiname"
)

// sqlStarts are what lines of a dump begin with behind the end of a statement.
var sqlStarts = []string{"INSERT ", "REPLACE ", "CREATE ", "DROP ", "/*", "--", "LOCK ", "UNLOCK ", "COMMIT", "ALTER ", "SET ", "START ", "USE ", "\n", "\r", "BEGIN", "PRAGMA ", "DELETE ", "ANALYZE "}

// cutSQL cuts behind the last statement that another follows. A text that looks like that makes a string end in the middle,
// which is an error then.
func cutSQL(data []byte, seen int) int {
	seen = max(0, seen-16)
	for end := len(data); ; {
		at := bytes.LastIndex(data[seen:end], []byte(";\n"))
		if at < 0 {
			return 0
		}
		end = seen + at
		rest := data[end+2:]
		if slices.ContainsFunc(sqlStarts, func(start string) bool { return bytes.HasPrefix(rest, []byte(start)) }) {
			return end + 2
		}
	}
}

// sqlState is where a worker is in a dump.
type sqlState struct {
	table string       // of the statement at hand, without a prefix
	last  netip.Prefix // the last range in the row
}

// sql scrubs whole statements.
func (w *worker) sql(dst []byte, p *inorder.Piece[result]) ([]byte, error) {
	text := p.In
	if p.Last && !endsStatement(text) {
		return dst, ErrTruncated
	}
	var s sqlState
	var err error
	for lineStart := true; len(text) > 0; {
		size := len(text)
		if lineStart && bytes.HasPrefix(text, []byte("--")) {
			if end := bytes.IndexByte(text, '\n'); end >= 0 {
				size = end + 1
			}
			if dst, err = w.replace(dst, text[:size], func([]byte, find.Found) bool { return false }); err != nil {
				return dst, err
			}
			text = text[size:]
			continue
		}
		if next := bytes.IndexAny(text, "'\n"); next >= 0 {
			size = next + 1
		}
		if dst, err = w.between(dst, text[:size], &s); err != nil {
			return dst, err
		}
		quoted := text[size-1] == '\''
		lineStart, text = text[size-1] == '\n', text[size:]
		if !quoted {
			continue
		}
		end := w.stringEnd(text)
		if end < 0 {
			return dst, ErrTruncated
		}
		if dst, err = w.literal(dst, text[:end], &s); err != nil {
			return dst, err
		}
		text = text[end:]
		dst, text = append(dst, '\''), text[1:]
	}
	return dst, nil
}

func endsStatement(text []byte) bool {
	text = bytes.TrimRight(text, " \r\n\t")
	line := text[bytes.LastIndexByte(text, '\n')+1:]
	return len(text) == 0 || bytes.HasSuffix(text, []byte(";")) || bytes.HasPrefix(line, []byte("--")) || bytes.HasSuffix(text, []byte("*/"))
}

// stringEnd returns where the quote is that ends a string, -1 if none does.
func (w *worker) stringEnd(text []byte) int {
	for i := 0; ; {
		next := bytes.IndexByte(text[i:], '\'')
		if next < 0 {
			return -1
		}
		if at := bytes.IndexByte(text[i:i+next], '\\'); at >= 0 && !w.sqlite {
			i += at + 2
			if i > len(text) {
				return -1
			}
			continue
		}
		if i += next; i+1 == len(text) || text[i+1] != '\'' {
			return i
		}
		i += 2
	}
}

// between appends what stands between strings, and sees what table a row is of.
func (w *worker) between(dst, text []byte, s *sqlState) ([]byte, error) {
	if bytes.Contains(text, []byte("FROM stdin;")) {
		return dst, errors.New("it is a dump of PostgreSQL with COPY: dump with --inserts")
	}
	if _, after, ok := bytes.Cut(text, []byte("INTO ")); ok {
		name, _, _ := strings.Cut(strings.TrimLeft(string(after), "`\" "), " ")
		s.table, _, _ = strings.Cut(strings.TrimRight(name, "`\""), "`")
		s.last = netip.Prefix{}
	}
	if bytes.IndexByte(text, '(') >= 0 {
		s.last = netip.Prefix{}
	}
	var err error
	for {
		at := bytes.Index(text, []byte("0x"))
		if at < 0 {
			return append(dst, text...), nil
		}
		end := at + 2
		for end < len(text) && (text[end]|0x20 >= 'a' && text[end]|0x20 <= 'f' || '0' <= text[end] && text[end] <= '9') {
			end++
		}
		plain, errHex := hex.DecodeString(string(text[at+2 : end]))
		dst = append(dst, text[:at]...)
		if errHex != nil || at == 0 || text[at-1] != ',' && text[at-1] != '(' {
			dst, text = append(dst, text[at:end]...), text[end:]
			continue
		}
		var changed []byte
		if changed, err = w.value(nil, plain, s, bytes.TrimSuffix(dst, []byte{','})); err != nil {
			return dst, err
		}
		if bytes.Equal(changed, plain) {
			dst = append(dst, text[at:end]...)
		} else if len(changed) == 0 {
			dst = append(dst, "''"...)
		} else {
			dst = append(append(dst, "0x"...), strings.ToUpper(hex.EncodeToString(changed))...)
		}
		text = text[end:]
	}
}

// literal appends what stands in quotes.
func (w *worker) literal(dst, text []byte, s *sqlState) ([]byte, error) {
	if len(text) < len("::1") {
		return append(dst, text...), nil
	}
	plain := text
	if bytes.IndexByte(text, '\'') >= 0 || !w.sqlite && bytes.IndexByte(text, '\\') >= 0 {
		plain = w.unquote(text)
	}
	before := bytes.TrimSuffix(bytes.TrimSuffix(dst, []byte{'\''}), []byte("_binary "))
	from := len(dst)
	dst, err := w.value(dst, plain, s, bytes.TrimSuffix(before, []byte{','}))
	if err != nil {
		return dst, err
	}
	if bytes.Equal(dst[from:], plain) {
		return append(dst[:from], text...), nil
	}
	changed := append([]byte(nil), dst[from:]...)
	return w.quote(dst[:from], changed), nil
}

// Tables of MediaWiki, without a prefix.
var (
	hexTables    = []string{"cu_changes", "cu_log_event", "cu_private_event", "cu_log", "ipblocks", "block_target", "globalblocks", "global_block_whitelist"}
	pageTables   = []string{"page", "linktarget", "pagelinks", "redirect"}
	sha1Tables   = []string{"content", "revision", "archive"}
	base36Digits = "0123456789abcdefghijklmnopqrstuvwxyz"
)

// isOf reports whether a table, which may have a prefix, is one of some.
func (s *sqlState) isOf(tables []string) bool {
	return slices.ContainsFunc(tables, func(name string) bool { return s.table == name || strings.HasSuffix(s.table, "_"+name) })
}

// value appends a value of a row.
func (w *worker) value(dst, text []byte, s *sqlState, before []byte) ([]byte, error) {
	if addr, ok := storedAddress(text, s); ok {
		network := netip.PrefixFrom(addr, addr.BitLen())
		if s.last.IsValid() && s.last.Contains(addr) {
			network = s.last // its first or last address
		}
		if masking.Is(addr) || w.keeps(find.Found{Net: network}) {
			return append(dst, text...), nil
		}
		mask, err := w.Masker.Block(network)
		return append(dst, wikiname.Hex(mask)...), err
	}
	if len(text) == 31 && s.isOf(sha1Tables) && len(bytes.Trim(text, base36Digits)) == 0 {
		return dst, nil // with it, and the rest of a text, its address could be found by trying; MediaWiki makes it anew
	}
	f, ok := find.Plain(text, 0)
	if ok && f.From == 0 && f.End == len(text) && !f.Address() {
		s.last = f.Net
	}
	switch {
	case isSerialized(text):
		return w.serialized(dst, text)
	case !ok && w.Mode != Everywhere:
		return append(dst, text...), nil
	}
	return w.replace(dst, text, func(text []byte, f find.Found) bool {
		if s.isOf(pageTables) && f.From == 0 {
			return endsInUserNamespace(before)
		}
		return w.isValue(text, f) || isContributor(text, f)
	})
}

// endsInUserNamespace reports whether the last number before a title is that of users' pages or their talk pages.
func endsInUserNamespace(before []byte) bool {
	number := before[bytes.LastIndexAny(before, ",(")+1:]
	return string(number) == namespaceUser || string(number) == namespaceUserTalk
}

// storedAddress reads an address that MediaWiki has stored in hexadecimal.
func storedAddress(text []byte, s *sqlState) (netip.Addr, bool) {
	if len(text) != len("v6-")+32 && (len(text) != 8 || !s.isOf(hexTables)) {
		return netip.Addr{}, false
	}
	return wikiname.ParseHex(string(text))
}
