// Package leaktest has, for tests, a reader's secrets, and ways to hide them in a request.
package leaktest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf16"
)

// Alice are the secrets of a reader who has some of all fields, such as a leakguard.Secret.
var Alice = []struct{ Field, Name, Value string }{
	{Field: "address", Value: "203.0.113.77"},
	{Field: "address", Value: "2a02:8109:b0:1c2::5e"},
	{Field: "mask", Value: "2001:2f:1111:2222:3333:4444:5555:6666"},
	{Field: "user name", Value: "Alice Example"},
	{Field: "user ID", Value: "4821337"},
	{Field: "session", Value: "k3v9qf2m1t8s7r6p5n4b0c1d2e3f4g5h"},
	{Field: "cookie", Name: "wikiPref", Value: "x9%2FT1~q0aB\\Zk7"},
	{Field: "cookie", Name: "wikiState", Value: `%7B%22id%22%3A%227f3c2b9a1d8e4f60a5b7%22%2C%22n%22%3A1%7D`},
	{Field: "cookie", Name: "lang", Value: "en"},
	{Field: "cookie", Name: "seen", Value: "1"},
	{Field: "cookie", Name: "skin", Value: "vector-2022"},
	{Field: "cookie", Name: "day", Value: "22-Nov-2026"},
	{Field: "cookie", Name: "editor", Value: "visualeditor"},
	{Field: "cookie", Name: "zeros", Value: "00000000000000000000"},
}

// Leaked says what each of Alice's secrets is, by the value in plain.
var Leaked = map[string]string{
	"203.0.113.77":                          "your address",
	"2a02:8109:b0:1c2::5e":                  "your address",
	"2001:2f:1111:2222:3333:4444:5555:6666": "your mask",
	"Alice Example":                         "your user name",
	"4821337":                               "your user ID",
	"k3v9qf2m1t8s7r6p5n4b0c1d2e3f4g5h":      "your session",
	"x9%2FT1~q0aB\\Zk7":                     "your cookie wikiPref",
	`{"id":"7f3c2b9a1d8e4f60a5b7","n":1}`:   "your cookie wikiState",
	"7f3c2b9a1d8e4f60a5b7":                  "your cookie wikiState", // a piece of it
}

// Percent escapes each byte, with a form for it.
func Percent(form string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			fmt.Fprintf(&b, form, c)
		}
		return b.String()
	}
}

func base64Within(before string, encoding *base64.Encoding) func(string) string {
	return func(s string) string { return encoding.EncodeToString([]byte(before + s + `"}`)) }
}

func jsonString(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func jsonEscaped(form string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, c := range utf16.Encode([]rune(s)) {
			fmt.Fprintf(&b, form, c)
		}
		return b.String()
	}
}

func base64UTF16(s string) string {
	var b []byte
	for _, c := range utf16.Encode([]rune(s)) {
		b = append(b, byte(c), byte(c>>8))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// Base64 and Hex are in their usual spelling.
var Base64, Hex = func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }, func(s string) string { return hex.EncodeToString([]byte(s)) }

// Encodings are ways to hide a value.
var Encodings = map[string]func(string) string{
	"verbatim":                 func(s string) string { return s },
	"in capitals":              strings.ToUpper,
	"in small letters":         strings.ToLower,
	"query escape":             url.QueryEscape,
	"path escape":              url.PathEscape,
	"percent, all":             Percent("%%%02X"),
	"percent, small":           Percent("%%%02x"),
	"percent, some":            func(s string) string { return Percent("%%%02x")(s[:3]) + s[3:] },
	"percent, the last":        func(s string) string { return s[:len(s)-1] + Percent("%%%02x")(s[len(s)-1:]) },
	"percent, twice":           Percent("%%25%02x"),
	"percent, thrice":          Percent("%%2525%02x"),
	"%u":                       Percent("%%u00%02x"),
	"base64":                   Base64,
	"base64, unpadded":         func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) },
	"base64url":                func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) },
	"base64url, unpadded":      func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
	"base64 within, 1":         base64Within(`{"u":"`, base64.StdEncoding),
	"base64 within, 2":         base64Within(`{"u": "`, base64.RawURLEncoding),
	"base64 within, 3":         base64Within(`{ "u": "`, base64.StdEncoding),
	"base64, glued":            func(s string) string { return "abc" + Base64(`u="`+s+`"`) },
	"base64 twice":             func(s string) string { return Base64(Base64(s)) },
	"base64 of UTF-16":         base64UTF16,
	"base64 of hex":            func(s string) string { return Base64(Hex(s)) },
	"base64 of percent":        func(s string) string { return Base64(url.QueryEscape(s)) },
	"percent of base64":        func(s string) string { return Percent("%%%02X")(Base64(s)) },
	"base64 of JSON in base64": func(s string) string { return Base64(`{"a":"` + Base64(jsonString(s)) + `"}`) },
	"hex":                      Hex,
	"hex, capitals":            func(s string) string { return strings.ToUpper(Hex(s)) },
	"hex within":               func(s string) string { return Hex("\x00\x01u=" + s + "&\xff") },
	"hex at an odd place":      func(s string) string { return "a" + Hex(`u=`+s) },
	"hex of base64":            func(s string) string { return Hex(Base64(s)) },
	`\x`:                       Percent(`\x%02x`),
	"JSON":                     jsonString,
	"JSON, all":                jsonEscaped(`\u%04x`),
	"JSON, all, capitals":      jsonEscaped(`\u%04X`),
	"JSON, braces":             jsonEscaped(`\u{%x}`),
	"JSON, the first":          func(s string) string { return jsonEscaped(`\u%04x`)(s[:1]) + s[1:] },
	"JSON twice":               func(s string) string { return jsonString(jsonString(s)) },
	"JSON in percent":          func(s string) string { return url.QueryEscape(jsonEscaped(`\u%04x`)(s)) },
	`solidus as \/`:            func(s string) string { return strings.ReplaceAll(jsonString(s), "/", `\/`) },
	"in a sentence":            func(s string) string { return "who is " + s + ", and where?" },
	"with NULs":                func(s string) string { return strings.Join(strings.Split(s, ""), "%00") },
}

// Places are where a value can stand in a request.
var Places = map[string]func(string) (path, body string){
	"path":        func(v string) (string, string) { return "/a/" + v + "/b", "" },
	"end of path": func(v string) (string, string) { return "/a/" + v, "" },
	"query value": func(v string) (string, string) { return "/a?x=1&who=" + v + "&y=2", "" },
	"query name":  func(v string) (string, string) { return "/a?" + v + "=1", "" },
	"whole query": func(v string) (string, string) { return "/a?" + v, "" },
	"form":        func(v string) (string, string) { return "/a", "x=1&who=" + v + "&y=2" },
	"JSON body":   func(v string) (string, string) { return "/a", `{"x":[{"who":"` + v + `"}]}` },
	"text body":   func(v string) (string, string) { return "/a", v },
}

// URLSafe escapes what can't stand in a URL, or would be refused there for another reason.
func URLSafe(v string) string {
	var b strings.Builder
	for i := range len(v) {
		switch c := v[i]; {
		case c <= ' ', c >= 0x7f, strings.IndexByte(`#?&"\{}<>^|`+"`", c) >= 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
