// Package integration tries the edge end to end against real programs: a real
// MediaWiki from Debian under php-fpm, and real Chromium. Its tests are built with
// the tag "integration"; `make test` installs what they need, and where a program
// is missing they fail and say which.
package integration
