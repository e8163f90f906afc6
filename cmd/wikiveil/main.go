// Command wikiveil is Caddy with Wikiveil's modules.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/wikiveil/wikiveil/caddymodule"
	_ "github.com/wikiveil/wikiveil/integration/demo"
)

func main() {
	caddycmd.Main()
}
