// Package clientaddr tells whose request it is, by what Caddy says of trusted proxies, or why that can't be told.
package clientaddr
