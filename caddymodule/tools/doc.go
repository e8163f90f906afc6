// Package tools has what leads to third-party tools without telling of readers: the handler anonproxy with its page, the
// cache, mirrors, canaries and schedules of all sites, and the commands and admin routes of these.
package tools
