package wikiveil
import (
 _ "github.com/caddyserver/caddy/v2/modules/standard"
 _ "github.com/caddyserver/caddy/v2/cmd"
 _ "github.com/caddyserver/xcaddy"
 _ "code.dny.dev/ssrf"
 _ "github.com/hashicorp/golang-lru/v2"
 _ "github.com/prometheus/client_golang/prometheus"
 _ "go.uber.org/zap"
 _ "go.uber.org/goleak"
 _ "github.com/chromedp/chromedp"
 _ "github.com/coder/websocket"
 _ "github.com/quic-go/quic-go/http3"
 _ "github.com/caddyserver/certmagic"
 _ "github.com/dustin/go-humanize"
 _ "golang.org/x/net/http2"
 _ "github.com/pires/go-proxyproto"
)
