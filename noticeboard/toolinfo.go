package noticeboard

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// toolinfo is what we read of an entry of Toolhub's toolinfo.json, schema 1.2.2
// (https://toolhub.wikimedia.org, jsonschema/toolinfo). Its makers wrote it for
// another list, so what doesn't fit here is cut or left out, and not refused.
type toolinfo struct {
	Name        string           `json:"name"`
	Title       string           `json:"title"`
	Description string           `json:"description"`
	URL         string           `json:"url"`
	Author      people           `json:"author"`
	Repository  string           `json:"repository"`
	Privacy     link             `json:"privacy_policy_url"`
	Feedback    link             `json:"feedback_url"`
	Bugtracker  link             `json:"bugtracker_url"`
	Wikiveil    *json.RawMessage `json:"wikiveil"`
}

// tool maps the entry to the fields that we have for it.
func (i toolinfo) tool() *Tool {
	contact := i.Feedback
	if webAddress(string(contact)) == "" {
		contact = i.Bugtracker
	}
	return &Tool{
		Name: i.Name, Title: readable(i.Title), Purpose: readable(i.Description), Author: readable(string(i.Author)),
		URL: webAddress(i.URL), Source: webAddress(i.Repository), Privacy: webAddress(string(i.Privacy)), Contact: webAddress(string(contact)),
	}
}

// readable makes one line of a text that others wrote, and cuts it where it is
// too long.
func readable(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	s = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return -1
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) <= maxText {
		return s
	}
	return string([]rune(s)[:maxText-1]) + "…"
}

// webAddress returns s if it can stand in a link, or "".
func webAddress(s string) string {
	if s = strings.TrimSpace(s); isWebAddress(s) {
		return s
	}
	return ""
}

// people are the names of authors: one text, or a list of persons.
type people string

// UnmarshalJSON reads either form.
func (p *people) UnmarshalJSON(b []byte) error {
	if b[0] != '[' {
		return json.Unmarshal(b, (*string)(p))
	}
	var list []struct {
		Name string `json:"name"`
	}
	err := json.Unmarshal(b, &list)
	var names []string
	for _, person := range list {
		names = append(names, person.Name)
	}
	*p = people(strings.Join(names, ", "))
	return err
}

// link is an address: one text, or a list of addresses by language, of which it
// is the English or else the first one.
type link string

// UnmarshalJSON reads either form.
func (l *link) UnmarshalJSON(b []byte) error {
	if b[0] != '[' {
		return json.Unmarshal(b, (*string)(l))
	}
	var list []struct {
		Language string `json:"language"`
		URL      string `json:"url"`
	}
	err := json.Unmarshal(b, &list)
	for i := len(list) - 1; i >= 0; i-- {
		if i == 0 && *l == "" || list[i].Language == "en" {
			*l = link(list[i].URL)
		}
	}
	return err
}

// Interface guards
var (
	_ json.Unmarshaler = (*people)(nil)
	_ json.Unmarshaler = (*link)(nil)
)
