package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/spelling"
)

func init() {
	caddy.RegisterModule(MaskedEncoder{})
}

// MaskedEncoder wraps another log encoder and puts masks in the place of all IP addresses in what it
// writes: client_ip, remote_ip, forwarding headers, messages and errors alike. Ports are
// masked with their addresses. Caddy's access and error logs describe the request as it
// was before any handler, so only the encoder can keep addresses out of them.
//
// Addresses of servers are masked as well: nothing tells them from clients'. `wikiveil mask`
// prints the mask of an address that you look for.
type MaskedEncoder struct {
	// The encoder that is wrapped. Default: json.
	WrappedRaw json.RawMessage `json:"wrap,omitempty" caddy:"namespace=caddy.logging.encoders inline_key=format"`

	// The label whose masks the log has; give it the site's, where that has one. Default: the app's.
	Site *string `json:"site,omitempty"`

	zapcore.Encoder `json:"-"`
	counted         bool
}

// CaddyModule returns the Caddy module information.
func (MaskedEncoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.encoders.masked", New: func() caddy.Module { return new(MaskedEncoder) }}
}

// Provision sets up the wrapped encoder.
func (e *MaskedEncoder) Provision(ctx caddy.Context) error {
	if e.WrappedRaw == nil {
		wrapped := new(logging.JSONEncoder)
		if err := wrapped.Provision(ctx); err != nil {
			return fmt.Errorf("provisioning the wrapped encoder: %w", err)
		}
		e.Encoder = wrapped
	} else {
		wrapped, err := ctx.LoadModule(e, "WrappedRaw")
		if err != nil {
			return fmt.Errorf("loading the wrapped encoder: %w", err)
		}
		e.Encoder = wrapped.(zapcore.Encoder)
	}
	e.counted = true
	maskedEncoders.Add(1)
	return nil
}

// Cleanup implements caddy.CleanerUpper.
func (e *MaskedEncoder) Cleanup() error {
	if e.counted {
		e.counted = false
		maskedEncoders.Add(-1)
	}
	return nil
}

// UnmarshalCaddyfile sets up the encoder from Caddyfile tokens. Syntax:
//
//	masked [<encoder>] {
//	    site <label>
//	    <options of the encoder>
//	}
func (e *MaskedEncoder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the encoder's name
	wrapped := d.Token()
	wrapped.Text = "json"
	if d.NextArg() {
		wrapped = d.Token()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	var options []caddyfile.Token
	for d.NextBlock(0) {
		if d.Val() != "site" {
			options = append(options, d.NextSegment()...)
			continue
		}
		label, err := oneArg(d)
		if err != nil {
			return err
		}
		e.Site = &label
	}
	return e.parseWrapped(d, wrapped, options)
}

func (e *MaskedEncoder) parseWrapped(d *caddyfile.Dispenser, name caddyfile.Token, options []caddyfile.Token) error {
	tokens := []caddyfile.Token{name}
	if len(options) > 0 {
		open, end := name, options[len(options)-1]
		open.Text, end.Text = "{", "}"
		end.Line++
		tokens = slices.Concat(tokens, []caddyfile.Token{open}, options, []caddyfile.Token{end})
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
	e.WrappedRaw = caddyconfig.JSONModuleObject(module, "format", name.Text, nil)
	return nil
}

// ConfigureDefaultFormat hands on where the log goes.
func (e *MaskedEncoder) ConfigureDefaultFormat(w caddy.WriterOpener) error {
	if c, ok := e.Encoder.(caddy.ConfiguresFormatterDefault); ok {
		return c.ConfigureDefaultFormat(w)
	}
	return nil
}

// Clone implements zapcore.Encoder.
func (e *MaskedEncoder) Clone() zapcore.Encoder {
	return &MaskedEncoder{Encoder: e.Encoder.Clone(), Site: e.Site}
}

// EncodeEntry implements zapcore.Encoder. Addresses are replaced in the line as it will be written,
// so that no kind of field or format is forgotten.
func (e *MaskedEncoder) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	for i, f := range fields {
		fields[i] = maskField(f)
	}
	line, err := e.Encoder.EncodeEntry(entry, fields)
	if err != nil {
		return nil, err
	}
	masks := logMasks.Load()
	masked, replaced := spelling.Replace(nil, line.Bytes(), func(addr netip.Addr) (string, bool) {
		if masking.Is(addr) || addr.IsUnspecified() || isVersion(addr) {
			return "", false
		}
		return masks.mask(addr, e.Site), true
	})
	if replaced {
		line.Reset()
		if _, err := line.Write(masked); err != nil {
			return nil, err
		}
	}
	return line, nil
}

// AddString implements zapcore.ObjectEncoder, for fields that a logger was given before.
func (e *MaskedEncoder) AddString(key, value string) {
	portMasker{e.Encoder}.AddString(key, value)
}

// AddObject implements zapcore.ObjectEncoder, likewise.
func (e *MaskedEncoder) AddObject(key string, value zapcore.ObjectMarshaler) error {
	return portMasker{e.Encoder}.AddObject(key, value)
}

func maskField(f zapcore.Field) zapcore.Field {
	switch f.Type {
	case zapcore.StringType:
		if isPort(f.Key) {
			f.String = "0"
		}
	case zapcore.ObjectMarshalerType, zapcore.InlineMarshalerType:
		if value, ok := f.Interface.(zapcore.ObjectMarshaler); ok {
			f.Interface = portMaskedObject{value}
		}
	}
	return f
}

// isVersion reports whether an address is rather a browser's version, which is always of the form
// 156.0.0.0 in a User-Agent. No client has the first address of a /8.
func isVersion(addr netip.Addr) bool {
	b := addr.AsSlice()
	return addr.Is4() && b[1] == 0 && b[2] == 0 && b[3] == 0
}

func isPort(key string) bool { return key == "remote_port" || key == "client_port" }

// portMasker masks what can be told by its name alone: ports that stand by
// themselves, and forwarding headers, whose values need not look like addresses.
type portMasker struct{ zapcore.ObjectEncoder }

func (m portMasker) AddString(key, value string) {
	if isPort(key) {
		value = "0"
	}
	m.ObjectEncoder.AddString(key, value)
}

func (m portMasker) AddObject(key string, value zapcore.ObjectMarshaler) error {
	return m.ObjectEncoder.AddObject(key, portMaskedObject{value})
}

func (m portMasker) AddArray(key string, value zapcore.ArrayMarshaler) error {
	if carriesAddress(key) {
		value = addressesOnly{value}
	}
	return m.ObjectEncoder.AddArray(key, value)
}

type portMaskedObject struct{ zapcore.ObjectMarshaler }

func (o portMaskedObject) MarshalLogObject(to zapcore.ObjectEncoder) error {
	return o.ObjectMarshaler.MarshalLogObject(portMasker{to})
}

// addressesOnly keeps of a forwarding header's values the addresses, which will be masked.
type addressesOnly struct{ zapcore.ArrayMarshaler }

func (a addressesOnly) MarshalLogArray(to zapcore.ArrayEncoder) error {
	return a.ArrayMarshaler.MarshalLogArray(addressEncoder{to})
}

type addressEncoder struct{ zapcore.ArrayEncoder }

func (e addressEncoder) AppendString(value string) {
	var found []string
	spelling.ReplaceIn(value, func(addr netip.Addr) (string, bool) {
		found = append(found, addr.String())
		return "", false
	})
	if len(found) == 0 {
		found = []string{noMask}
	}
	e.ArrayEncoder.AppendString(strings.Join(found, ", "))
}

// Interface guards
var (
	_ zapcore.Encoder                  = (*MaskedEncoder)(nil)
	_ caddy.Provisioner                = (*MaskedEncoder)(nil)
	_ caddy.CleanerUpper               = (*MaskedEncoder)(nil)
	_ caddy.ConfiguresFormatterDefault = (*MaskedEncoder)(nil)
	_ caddyfile.Unmarshaler            = (*MaskedEncoder)(nil)
)
