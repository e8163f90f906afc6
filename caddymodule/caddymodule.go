// Package caddymodule is all of Wikiveil that knows Caddy. Import it for its modules, as xcaddy does: client_mask and what logs
// and blocks by masks (mask), csp and consent (policy), mask_info and mask_reveal (lookup), anonproxy (tools), on top of the
// wikiveil app (edge); the commands that look after it (doctor) and after old data (publish), and the binary's own name (program).
// None of the four imports another.
package caddymodule

import (
	_ "github.com/wikiveil/wikiveil/caddymodule/doctor"
	_ "github.com/wikiveil/wikiveil/caddymodule/lookup"
	_ "github.com/wikiveil/wikiveil/caddymodule/mask"
	_ "github.com/wikiveil/wikiveil/caddymodule/policy"
	_ "github.com/wikiveil/wikiveil/caddymodule/program"
	_ "github.com/wikiveil/wikiveil/caddymodule/publish"
	_ "github.com/wikiveil/wikiveil/caddymodule/tools"
)
