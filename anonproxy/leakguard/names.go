package leakguard

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wikiveil/wikiveil/masking/spelling"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Tool is what the guard must know of a tool, to tell a reader's name from a word: a reader called Berlin
// may look for Berlin's weather.
type Tool struct {
	tool     string
	declared bool            // the tool is declared to get the name
	words    map[string]bool // of its own addresses
}

// ToolOf returns what there is to know of a tool of a board.
func ToolOf(tool *noticeboard.Tool) *Tool {
	n := &Tool{tool: tool.Name, declared: tool.Names == noticeboard.NamesReader, words: make(map[string]bool)}
	for _, text := range append([]string{tool.Name, tool.Title, tool.Origin}, append(tool.Hosts, tool.Refresh...)...) {
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) }) {
			n.words[strings.ToLower(word)] = true
		}
	}
	return n
}

// isWord reports whether a name is a word that other readers may send as well.
func (n *Tool) isWord(name string) bool {
	name = strings.ToLower(name)
	return ordinaryWords[name] || n != nil && n.words[name]
}

// mayBeWord reports whether a name is of letters alone, so that where it stands must tell what is meant.
func mayBeWord(name string) bool {
	return len(name) <= 32 && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
}

// means reports whether a needle that stands at a place means the reader. A name that may be a word does after what says
// "user", or as a whole value that nothing explains.
func (g *guard) means(n *needle, view spelling.View, from int) bool {
	name := n.secret.Value
	if n.secret.Field != FieldUser || !mayBeWord(name) {
		return true
	}
	g.work -= len(name) + len(view.Escaped)/compareCost
	text, end := view.Text, from+len(n.text)
	before := text[:from]
	if isHidden(view.Escaped, name) || meansUser(before) {
		return true
	}
	if from > 0 && !strings.Contains(`=?&"'`, text[from-1:from]) || end < len(text) && !strings.Contains(`=&;#"'`, text[end:end+1]) {
		return false // a part of a value, or of a path
	}
	if from == 0 && end == len(text) {
		return view.Encoded || !g.names.isWord(name)
	}
	return !g.names.isWord(name) && !ordinaryWords[keyBefore(before)]
}

// meansUser reports whether the text before a name says that it is a user's: User:, user=, "author":", /users/,
// Special:Contributions/, @ and ~.
func meansUser(before string) bool {
	if before == "" {
		return false
	}
	before = before[max(0, len(before)-64):]
	last := len(before) - 1
	switch before[last] {
	case '@':
		return true
	case '~':
		return last == 0 || before[last-1] == '/'
	case ':', '/':
		word := lastWord(before[:last])
		return userWords[word] || slices.ContainsFunc(userSpaces, func(space string) bool { return strings.Contains(word, space) })
	}
	key := keyBefore(before)
	return userWords[key] || strings.Contains(key, "user") && key != "userlang" || strings.Contains(key, "author") || strings.HasSuffix(key, "nick") ||
		strings.Contains(key, "login") || strings.Contains(key, "account")
}

// keyBefore returns the name of the value that follows: in a query, in JSON.
func keyBefore(before string) string {
	before = strings.TrimRight(before, `"' [`)
	last := len(before) - 1
	if last < 0 || before[last] != '=' && before[last] != ':' {
		return ""
	}
	return lastWord(strings.TrimRight(before[:last], `"' `))
}

// lastWord returns the word at the end of a text, in small letters, without what parts MediaWiki's User_talk
// or someone's user-name.
func lastWord(text string) string {
	start := strings.LastIndexFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !strings.ContainsRune("_- +", r)
	})
	if start >= 0 {
		_, size := utf8.DecodeRuneInString(text[start:])
		text = text[start+size:]
	}
	return strings.ToLower(partsOfWords.Replace(text))
}

var partsOfWords = strings.NewReplacer("_", "", "-", "", " ", "", "+", "")

// userWords say that a user's name follows, as services call it.
var userWords = setOf(`u by who me nick nickname handle screenname displayname realname fullname uname owner creator editor actor member contributor
	contributors contribs author authors profile profiles people person patroller reader`)

// userSpaces are what MediaWiki's namespaces of users, and of their talk pages, have in them in large languages.
var userSpaces = strings.Fields(`user benutzer utilisat usuari usuár utente gebruiker användar bruker bruger käyttäjä wikipedyst użytkowni uživatel použív
	felhasznál utilizator kullanıc участни користувач потребител корисни χρήστ משתמש مستخدم کاربر 利用者 用户 用戶 使用者 사용자 सदस्य ผู้ใช้
	thànhviên pengguna contributions`)

// ordinaryWords are those of web addresses, which many requests have whoever asks, and places that people ask for.
var ordinaryWords = setOf(ordinaryText)

//go:embed words.txt
var ordinaryText string

func setOf(words string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

// isHidden reports whether a name that a text has without its escapes was spelled so that it isn't seen with them.
// Nobody has to escape letters of ASCII.
func isHidden(escaped, name string) bool {
	ascii := !strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf })
	return escaped != "" && ascii && !strings.Contains(strings.ToLower(escaped), strings.ToLower(name))
}
