package mask

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
	"github.com/wikiveil/wikiveil/masking/masklog"
)

func init() {
	caddy.RegisterModule(MaskedEncoder{})
	caddy.RegisterModule(RawEncoder{})
}

// MaskedEncoder wraps another log encoder and keeps addresses out of what it writes. Where Caddy names
// the peer or the client of a request, their mask stands. Every other address becomes "masked": if the log showed
// the mask of any address in a header, whoever reads it could find the address of a mask by trying. Ports of clients and all of
// forwarding headers are hidden. The addresses of your own servers, those in the config, stay
// readable.
//
// Caddy's access and error logs describe the request as it was before any handler, so only the
// encoder can keep addresses out of them. It has to be the outermost: `masked filter`, not
// `filter` around `masked`.
type MaskedEncoder struct {
	wrapping

	// The label whose masks the log has; give it the site's, where that has one. Default: the app's.
	Site *string `json:"site,omitempty"`

	zapcore.Encoder `json:"-"`

	rules *masklog.Rules
}

// RawEncoder says that a log may hold addresses of clients. The encoder that it wraps writes as ever.
type RawEncoder struct {
	wrapping

	zapcore.Encoder `json:"-"`
}

// wrapping is what both have of the encoder that they wrap.
type wrapping struct {
	// The encoder that is wrapped, such as `{"format": "console"}`. Default: console on a terminal,
	// json elsewhere, as Caddy has it.
	WrappedRaw json.RawMessage `json:"wrap,omitempty" caddy:"namespace=caddy.logging.encoders inline_key=format"`

	ctx       caddy.Context
	wrapped   zapcore.Encoder
	isDefault bool
}

// CaddyModule returns the Caddy module information.
func (MaskedEncoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.encoders.masked", New: func() caddy.Module { return new(MaskedEncoder) }}
}

// CaddyModule returns the Caddy module information.
func (RawEncoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.encoders.raw", New: func() caddy.Module { return new(RawEncoder) }}
}

// Provision sets up the wrapped encoder.
func (e *MaskedEncoder) Provision(ctx caddy.Context) error {
	if err := e.load(ctx); err != nil {
		return err
	}
	e.rules = logRules(ctx, e.Site)
	e.wrap()
	return nil
}

// Provision sets up the wrapped encoder.
func (e *RawEncoder) Provision(ctx caddy.Context) error {
	if err := e.load(ctx); err != nil {
		return err
	}
	e.Encoder = e.wrapped
	return nil
}

// ConfigureDefaultFormat hands on where the log goes.
func (e *MaskedEncoder) ConfigureDefaultFormat(w caddy.WriterOpener) error {
	if err := e.configure(w); err != nil {
		return err
	}
	e.wrap()
	return nil
}

// ConfigureDefaultFormat hands on where the log goes.
func (e *RawEncoder) ConfigureDefaultFormat(w caddy.WriterOpener) error {
	if err := e.configure(w); err != nil {
		return err
	}
	e.Encoder = e.wrapped
	return nil
}

func (e *MaskedEncoder) wrap() {
	plain := false
	switch e.wrapped.(type) {
	case *logging.JSONEncoder, *logging.ConsoleEncoder:
		plain = true
	}
	e.Encoder = masklog.New(e.wrapped, plain, e.rules)
}

func (w *wrapping) load(ctx caddy.Context) error {
	w.ctx, w.isDefault = ctx, w.WrappedRaw == nil
	if w.isDefault {
		wrapped := new(logging.JSONEncoder)
		w.wrapped = wrapped
		return wrapped.Provision(ctx)
	}
	module, err := ctx.LoadModule(w, "WrappedRaw")
	if err != nil {
		return fmt.Errorf("loading the wrapped encoder: %w", err)
	}
	switch module.(type) {
	case *MaskedEncoder, *RawEncoder:
		return errors.New("a log is either masked or raw, once; wrap another encoder, such as json or console")
	}
	w.wrapped = module.(zapcore.Encoder)
	return nil
}

// configure chooses the default as Caddy does, and hands on where the log goes.
func (w *wrapping) configure(opener caddy.WriterOpener) error {
	if c, ok := w.wrapped.(caddy.ConfiguresFormatterDefault); ok {
		return c.ConfigureDefaultFormat(opener)
	}
	if !w.isDefault || !caddy.IsWriterStandardStream(opener) || !term.IsTerminal(int(os.Stderr.Fd())) {
		return nil
	}
	wrapped := new(logging.ConsoleEncoder)
	w.wrapped = wrapped
	return wrapped.Provision(w.ctx)
}

// UnmarshalCaddyfile sets up the encoder from Caddyfile tokens. Syntax:
//
//	masked [<encoder> [<argument>...]] {
//	    site <label>
//	    <options of the encoder>
//	}
func (e *MaskedEncoder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return e.parse(d, &e.Site)
}

// UnmarshalCaddyfile sets up the encoder from Caddyfile tokens. Syntax:
//
//	raw [<encoder> [<argument>...]] {
//	    <options of the encoder>
//	}
func (e *RawEncoder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return e.parse(d, nil)
}

// parse hands everything but the label of a site on to the encoder that is wrapped.
func (w *wrapping) parse(d *caddyfile.Dispenser, site **string) error {
	d.Next() // the encoder's name
	var wrapped []caddyfile.Token
	for d.NextArg() {
		wrapped = append(wrapped, d.Token())
	}
	name := d.Token()
	var inner []caddyfile.Token
	for d.NextBlock(0) {
		if d.Val() != "site" || site == nil {
			inner = append(inner, d.NextSegment()...)
			continue
		}
		if err := options.Optional(site, options.Text[string])(d); err != nil {
			return err
		}
	}
	if len(wrapped) == 0 {
		if len(inner) == 0 {
			return nil // the default
		}
		name.Text = "json"
		wrapped = append(wrapped, name)
	}
	return w.parseWrapped(d, wrapped, inner)
}

func (w *wrapping) parseWrapped(d *caddyfile.Dispenser, tokens, inner []caddyfile.Token) error {
	name := tokens[0]
	if len(inner) > 0 {
		last := tokens[len(tokens)-1]
		open, end := name, inner[len(inner)-1]
		open.Text, open.Line = "{", last.Line+last.NumLineBreaks()
		end.Text = "}"
		end.Line++
		tokens = slices.Concat(tokens, []caddyfile.Token{open}, inner, []caddyfile.Token{end})
	}
	segment := caddyfile.NewDispenser(tokens)
	segment.Next()
	module, err := caddyfile.UnmarshalModule(segment, "caddy.logging.encoders."+name.Text)
	if err != nil {
		return d.WrapErr(err)
	}
	if _, ok := module.(zapcore.Encoder); !ok {
		return d.Errf("%s is not a log encoder", name.Text)
	}
	w.WrappedRaw = caddyconfig.JSONModuleObject(module, "format", name.Text, nil)
	return nil
}

// Interface guards
var (
	_ zapcore.Encoder                  = (*MaskedEncoder)(nil)
	_ caddy.Provisioner                = (*MaskedEncoder)(nil)
	_ caddy.ConfiguresFormatterDefault = (*MaskedEncoder)(nil)
	_ caddyfile.Unmarshaler            = (*MaskedEncoder)(nil)
	_ zapcore.Encoder                  = (*RawEncoder)(nil)
	_ caddy.Provisioner                = (*RawEncoder)(nil)
	_ caddy.ConfiguresFormatterDefault = (*RawEncoder)(nil)
	_ caddyfile.Unmarshaler            = (*RawEncoder)(nil)
)
