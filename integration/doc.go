// Package integration tries the edge end to end against real programs: the real
// MediaWiki, 1.39 and 1.43, DokuWiki and WordPress, from Debian under php-fpm, and real browsers. Its tests are built with
// the tag "integration"; `make test` installs what they need, and where a program
// is missing they fail and say which.
package integration
