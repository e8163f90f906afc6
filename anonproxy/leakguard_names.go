package anonproxy

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// toolNames is what the guard must know of a tool to tell a reader's name from a word: a reader called Berlin
// may look for Berlin's weather.
type toolNames struct {
	tool     string
	declared bool            // the tool is declared to get the name
	words    map[string]bool // of its own addresses
}

// namesOf returns what there is to know of a tool.
func namesOf(tool *noticeboard.Tool) *toolNames {
	n := &toolNames{tool: tool.Name, declared: tool.Names == noticeboard.NamesReader, words: make(map[string]bool)}
	for _, text := range append([]string{tool.Name, tool.Title, tool.Origin}, append(tool.Hosts, tool.Refresh...)...) {
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) }) {
			n.words[strings.ToLower(word)] = true
		}
	}
	return n
}

// isWord reports whether a name is a word that other readers may send as well.
func (n *toolNames) isWord(name string) bool {
	name = strings.ToLower(name)
	return ordinaryWords[name] || n != nil && n.words[name]
}

// mayBeWord reports whether a name is of letters alone, so that where it stands must tell what is meant.
func mayBeWord(name string) bool {
	return len(name) <= 32 && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
}

// namesReader reports whether a name that stands at text[from:end], and may be a word, means the reader: after
// what says "user", or as a whole value that nothing explains.
func (g *guard) namesReader(text []byte, from, end int, name string) bool {
	before := text[:from]
	if g.hidden || meansUser(before) {
		return true
	}
	if from > 0 && strings.IndexByte(`=?&"'`, text[from-1]) < 0 || end < len(text) && strings.IndexByte(`=&;#"'`, text[end]) < 0 {
		return false // a part of a value, or of a path
	}
	if from == 0 && end == len(text) {
		return g.veiled > 0 || !g.names.isWord(name)
	}
	return !g.names.isWord(name) && !ordinaryWords[keyBefore(before)]
}

// meansUser reports whether the text before a name says that it is a user's: User:, user=, "author":", /users/,
// Special:Contributions/, @ and ~.
func meansUser(before []byte) bool {
	if len(before) == 0 {
		return false
	}
	before = before[max(0, len(before)-64):]
	switch before[len(before)-1] {
	case '@':
		return true
	case '~':
		return len(before) == 1 || before[len(before)-2] == '/'
	case ':', '/':
		word := lastWord(before[:len(before)-1])
		return userWords[word] || slices.ContainsFunc(userSpaces, func(space string) bool { return strings.Contains(word, space) })
	}
	key := keyBefore(before)
	return userWords[key] || strings.Contains(key, "user") && key != "userlang" || strings.Contains(key, "author") || strings.HasSuffix(key, "nick") ||
		strings.Contains(key, "login") || strings.Contains(key, "account")
}

// keyBefore returns the name of the value that follows: in a query, in JSON.
func keyBefore(before []byte) string {
	trimmed := bytes.TrimRight(before, `"' [`)
	if len(trimmed) == 0 || trimmed[len(trimmed)-1] != '=' && trimmed[len(trimmed)-1] != ':' {
		return ""
	}
	return lastWord(bytes.TrimRight(trimmed[:len(trimmed)-1], `"' `))
}

// lastWord returns the word at the end of a text, in small letters, without what parts MediaWiki's User_talk
// or someone's user-name.
func lastWord(text []byte) string {
	start := len(text)
	for start > 0 {
		r, size := utf8.DecodeLastRune(text[:start])
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && r != '_' && r != '-' && r != ' ' && r != '+' {
			break
		}
		start -= size
	}
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == ' ' || r == '+' {
			return -1
		}
		return r
	}, string(text[start:])))
}

// userWords say that a user's name follows, as services call it.
var userWords = setOf(`u by who me nick nickname handle screenname displayname realname fullname uname owner creator editor actor member contributor
	contributors contribs author authors profile profiles people person patroller reader`)

// userSpaces are what MediaWiki's namespaces of users, and of their talk pages, have in them in large languages.
var userSpaces = strings.Fields(`user benutzer utilisat usuari usuár utente gebruiker användar bruker bruger käyttäjä wikipedyst użytkowni uživatel použív
	felhasznál utilizator kullanıc участни користувач потребител корисни χρήστ משתמש مستخدم کاربر 利用者 用户 用戶 使用者 사용자 सदस्य ผู้ใช้
	thànhviên pengguna contributions`)

// ordinaryWords are those of web addresses, which many requests have whoever asks, and places that people ask for.
var ordinaryWords = setOf(`api json xml html csv yaml text txt png jpg jpeg svg webp gif pdf map maps tile tiles wiki wikis org com net www http https query title
	titles page pages search find term terms word words phrase name names label labels list lists item items entity entities property properties
	data dataset file files image images img icon icons media video audio font fonts style styles css script theme dark light color colour
	format action type types kind lang language languages locale en de fr es it pt ru ja zh nl pl sv uk ar he fa cs da fi hu ko no ro tr
	city cities town place places location locations address street country countries region state county area zone station stop route from to near
	start end date time day week month year today now weather forecast temperature rain wind current hourly daily unit units metric
	translate translation translations source target input output q s t lat lon lng zoom center size width height limit offset page
	count total sort order by asc desc field fields filter filters key keys value values id ids ref refs rev revision version versions v1 v2 v3
	summary extract extracts content section sections category categories topic topics subject tag tags template user users talk help main special
	project portal module book books author journal article articles news paper papers citation citations doi isbn url uri link links site sites
	domain host server service services tool tools app apps web mobile desktop public private static assets dist lib src raw blob main master
	get set put post add new edit view show hide open close read write load save delete update create test demo example sample random default
	true false yes no null none all any other more less top bottom left right first last next prev previous old best good free home about
	contact info information details detail index overview stats statistics status health report reports metrics event events log logs history
	feed feeds rss atom stream streams live world earth europe africa asia america north south east west central middle
	sparql select where limit order group wikidata wikipedia commons wikimedia mediawiki osm openstreetmap github google
	berlin paris london rome madrid vienna lisbon dublin athens oslo stockholm copenhagen helsinki warsaw prague budapest brussels amsterdam
	moscow kyiv kiev minsk riga vilnius tallinn zagreb belgrade sofia bucharest istanbul ankara cairo tunis algiers rabat lagos nairobi accra
	tehran baghdad damascus beirut jerusalem riyadh dubai delhi mumbai kolkata karachi lahore dhaka kabul tokyo kyoto osaka seoul beijing
	shanghai taipei hanoi bangkok jakarta manila singapore sydney melbourne auckland toronto montreal ottawa vancouver boston chicago houston
	dallas denver seattle portland austin phoenix philadelphia washington miami atlanta detroit lima bogota quito caracas santiago
	havana mexico brasilia hamburg munich münchen köln cologne frankfurt bremen leipzig dresden hannover stuttgart bonn essen zürich zurich
	geneva genève bern basel milan milano turin torino naples napoli florence venice venezia lyon marseille nice bordeaux toulouse strasbourg
	barcelona valencia seville sevilla porto krakow kraków gdansk wien praha warszawa roma london manchester liverpool oxford cambridge york
	france germany spain italy portugal austria switzerland belgium netherlands denmark norway sweden finland iceland ireland england scotland
	wales britain poland ukraine russia belarus romania bulgaria greece turkey israel jordan lebanon syria iraq iran india pakistan china japan
	korea vietnam thailand indonesia malaysia philippines australia canada brazil argentina chile peru colombia venezuela cuba egypt kenya
	nigeria ghana ethiopia morocco algeria tunisia libya sudan georgia armenia virginia carolina dakota montana florida texas california
	nevada ohio iowa utah maine alaska hawaii oregon kansas victoria sun moon mars venus jupiter saturn mercury river lake sea ocean mountain
	island park bridge castle church museum school university library airport hospital hotel restaurant market station tower hall palace
	art music film science physics chemistry biology history mathematics math geography religion politics law sport sports football
	water fire air gold silver iron stone tree flower rose lily cat dog horse bird fish lion wolf bear king queen war peace love life death`)

func setOf(words string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

// isHidden reports whether a name that a text has without its escapes was spelled so that it isn't seen with them.
// Nobody has to escape letters of ASCII.
func isHidden(escaped []byte, name string) bool {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return false
		}
	}
	return !bytes.Contains(bytes.ToLower(escaped), []byte(strings.ToLower(name)))
}
