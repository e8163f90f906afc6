// Package i18n has the texts of our pages and messages in the languages of those who read them.
//
// There is one file of messages a language, messages/CODE.json, in the form that MediaWiki and translatewiki.net use: an object of texts by key, and
// under "@metadata" who translated them. messages/qqq.json says of each key where it is seen and what its parameters are.
//
// In a text
//
//   - $1 to $9 stand for parameters;
//   - {{PLURAL:$1|one|many}} has a form for each plural category of the language (Unicode CLDR), in the order zero, one, two, few, many, other;
//     the last form stands for those that are missing, and {{PLURAL:$1|0=none|one|many}} has a form for a number of its own;
//   - [$1 words] is a link to a parameter, in pages only;
//   - <b>, <em>, <strong> and <code> are markup in pages, and all else is text.
package i18n
