// Package defaultlog has the default log masked in a Caddyfile that says nothing of it: see [Masked].
package defaultlog
