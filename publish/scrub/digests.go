package scrub

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"html"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// appendMended appends a piece of a dump whose texts begin at the places given, with their sizes and checksums and those of
// their revisions as MediaWiki makes them (SlotRecord::base36Sha1, RevisionSlots::computeSha1).
func appendMended(dst, xml []byte, texts []int) ([]byte, error) {
	for start := 0; ; {
		if len(texts) == 0 {
			return append(dst, xml[start:]...), nil
		}
		end := len(xml)
		if n := bytes.Index(xml[texts[0]:], []byte("</revision>")); n >= 0 {
			end = texts[0] + n
		}
		from := max(start, bytes.LastIndex(xml[:texts[0]], []byte("<revision>")))
		dst = append(dst, xml[start:from]...)
		dst = appendRevision(dst, xml[from:end])
		for start = end; len(texts) > 0 && texts[0] < end; {
			texts = texts[1:]
		}
	}
}

// slot is one of a revision's texts.
type slot struct{ role, sha1 string }

// appendRevision appends a revision with new checksums.
func appendRevision(dst, revision []byte) []byte {
	var slots []slot
	role := "main"
	for {
		at := bytes.IndexByte(revision, '<')
		if at < 0 {
			return append(dst, revision...)
		}
		dst, revision = append(dst, revision[:at]...), revision[at:]
		end := bytes.IndexByte(revision, '>') + 1
		tag := revision[:max(end, 1)]
		next := len(tag)
		if n := bytes.IndexByte(revision[next:], '<'); n >= 0 {
			next += n
		}
		content := revision[len(tag):next]
		revision = revision[next:]
		switch tagName(tag[1:]) {
		case "role":
			role = string(content)
		case "text":
			if !bytes.HasSuffix(tag, []byte("/>")) {
				plain := html.UnescapeString(string(content))
				slots = append(slots, slot{role, base36SHA1(plain)})
				tag = setAttribute(tag, "bytes", strconv.Itoa(len(plain)))
				tag = setAttribute(tag, "sha1", slots[len(slots)-1].sha1)
			}
		case "sha1":
			if len(content) > 0 && len(slots) > 0 {
				content = []byte(sha1Of(slots))
			}
		}
		dst = append(append(dst, tag...), content...)
	}
}

// sha1Of is the checksum of a revision.
func sha1Of(slots []slot) string {
	slices.SortFunc(slots, func(a, b slot) int { return cmp.Compare(a.role, b.role) })
	all := slots[0].sha1
	for _, s := range slots[1:] {
		all = base36SHA1(all + s.sha1)
	}
	return all
}

func base36SHA1(text string) string {
	sum := sha1.Sum([]byte(text))
	digits := new(big.Int).SetBytes(sum[:]).Text(36)
	return strings.Repeat("0", max(0, 31-len(digits))) + digits
}

// setAttribute changes an attribute that a tag has.
func setAttribute(tag []byte, name, value string) []byte {
	before, rest, ok := bytes.Cut(tag, []byte(" "+name+`="`))
	_, after, ended := bytes.Cut(rest, []byte{'"'})
	if !ok || !ended {
		return tag
	}
	return slices.Concat(before, []byte(" "+name+`="`+value+`"`), after)
}
