// Package caddyprivate reads what Caddy shows no module, and writes it in two places. It is the only package here that uses reflection:
// Caddy has no other way to
//
//   - the logs of a config and what they are encoded with, and the JSON of its other apps, storage and admin API (Logs, Parts);
//   - add to a Caddyfile's global options, as for a default log that nobody has set up (Options, LogName);
//   - add a listener wrapper to a server that is being provisioned (ListenerWrappers).
//
// Each says where a newer Caddy has another shape. The caller then refuses the config, or leaves to Provision to do so.
package caddyprivate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Sink is the name here of the log of Go's standard library.
const Sink = "sink"

// Log is a log of a config as it was opened.
type Log struct {
	Name    string
	File    string       // where it goes, if that is a file
	Core    string       // the type's name
	encoder reflect.Type // nil: Caddy's default
}

// EncodedBy reports whether T is the outermost encoder of a log.
func EncodedBy[T any](l Log) bool { return l.encoder == reflect.TypeFor[T]() }

// Logs returns the logs of ctx's config, the standard library's too.
func Logs(ctx caddy.Context) ([]Log, error) {
	config, err := field(reflect.ValueOf(ctx), "cfg", reflect.Pointer)
	if err != nil {
		return nil, err
	}
	if err := hasParts(config.Elem()); err != nil {
		return nil, err
	}
	logging, err := field(config.Elem(), "Logging", reflect.Pointer)
	if err != nil {
		return nil, err
	}
	logs, err := field(logging.Elem(), "Logs", reflect.Map)
	if err != nil {
		return nil, err
	}
	named := make(map[string]reflect.Value)
	for each := logs.MapRange(); each.Next(); {
		named[each.Key().String()] = each.Value()
	}
	sink, err := field(logging.Elem(), "Sink", reflect.Pointer)
	if err != nil {
		return nil, err
	}
	if !sink.IsNil() {
		named[Sink] = sink
	}
	var open []Log
	for _, name := range slices.Sorted(maps.Keys(named)) {
		one, err := readLog(name, named[name].Elem())
		if err != nil {
			return nil, err
		}
		open = append(open, one)
	}
	return open, nil
}

func readLog(name string, log reflect.Value) (Log, error) {
	one := Log{Name: name}
	base, err := field(log, "BaseLog", reflect.Struct)
	if err != nil {
		return one, err
	}
	encoder, err := field(base, "encoder", reflect.Interface)
	if err != nil {
		return one, err
	}
	core, err := field(base, "core", reflect.Interface)
	if err != nil {
		return one, err
	}
	if !encoder.IsNil() {
		one.encoder = encoder.Elem().Type()
	}
	if !core.IsNil() {
		one.Core = core.Elem().Type().String()
	}
	if writer, err := field(base, "writerOpener", reflect.Interface); err == nil && !writer.IsNil() {
		if to := reflect.Indirect(writer.Elem()); to.Kind() == reflect.Struct {
			if filename := to.FieldByName("Filename"); filename.Kind() == reflect.String {
				one.File = filename.String()
			}
		}
	}
	return one, nil
}

// field returns a struct's field that is expected to be of a kind.
func field(of reflect.Value, name string, kind reflect.Kind) (reflect.Value, error) {
	if of.Kind() != reflect.Struct {
		return reflect.Value{}, fmt.Errorf("%s is looked for in a %s: this Caddy is another than the one that was known", name, of.Kind())
	}
	f := of.FieldByName(name)
	if f.Kind() != kind {
		return reflect.Value{}, fmt.Errorf("%s has no %s %s: this Caddy is another than the one that was known", of.Type(), kind, name)
	}
	return f, nil
}

// hasParts tells where Parts would find nothing: a log would then show the paths of private pages that the config has elsewhere.
func hasParts(config reflect.Value) error {
	_, apps := field(config, "AppsRaw", reflect.Map)
	_, storage := field(config, "StorageRaw", reflect.Slice)
	return errors.Join(apps, storage)
}

// Parts returns the JSON of the apps and the storage of ctx's config, and the admin API's address, as far as it finds them.
// Caddy drops an app's JSON once that is provisioned.
func Parts(ctx caddy.Context) (parts []json.RawMessage) {
	config := reflect.ValueOf(ctx).FieldByName("cfg")
	if config.Kind() != reflect.Pointer || config.IsNil() {
		return nil
	}
	config = config.Elem()
	if apps := config.FieldByName("AppsRaw"); apps.Kind() == reflect.Map {
		for each := apps.MapRange(); each.Next(); {
			parts = append(parts, rawJSON(each.Value()))
		}
	}
	parts = append(parts, rawJSON(config.FieldByName("StorageRaw")))
	if admin := config.FieldByName("Admin"); admin.Kind() == reflect.Pointer && !admin.IsNil() {
		if listen := admin.Elem().FieldByName("Listen"); listen.Kind() == reflect.String {
			text, _ := json.Marshal(listen.String())
			parts = append(parts, text)
		}
	}
	return parts
}

// App returns the JSON of an app of ctx's config, or nil; as Parts does while the app is being provisioned.
func App(ctx caddy.Context, name string) json.RawMessage {
	config := reflect.ValueOf(ctx).FieldByName("cfg")
	if config.Kind() != reflect.Pointer || config.IsNil() {
		return nil
	}
	apps := config.Elem().FieldByName("AppsRaw")
	if apps.Kind() != reflect.Map {
		return nil
	}
	return rawJSON(apps.MapIndex(reflect.ValueOf(name)))
}

func rawJSON(v reflect.Value) json.RawMessage {
	if v.Kind() != reflect.Slice || v.Type().Elem().Kind() != reflect.Uint8 {
		return nil
	}
	return v.Bytes()
}

// Options returns the global options, which a Helper lets directives read one by one but not add to; nil: they aren't found.
func Options(h *httpcaddyfile.Helper) map[string]any {
	if options := address[map[string]any](h, "options"); options != nil {
		return *options
	}
	return nil
}

// LogName returns the name of a log that the Caddyfile's global option `log` describes.
func LogName(log httpcaddyfile.ConfigValue) string {
	if v := reflect.ValueOf(log.Value); v.Kind() == reflect.Struct && v.FieldByName("name").Kind() == reflect.String {
		return v.FieldByName("name").String()
	}
	return ""
}

// ListenerWrappers returns where a server keeps its listener wrappers; nil: it isn't found. They are loaded before the server's routes.
func ListenerWrappers(server *caddyhttp.Server) *[]caddy.ListenerWrapper {
	return address[[]caddy.ListenerWrapper](server, "listenerWrappers")
}

// address returns where a struct keeps a field of type T, or nil.
func address[T any](of any, name string) *T {
	f := reflect.ValueOf(of).Elem().FieldByName(name)
	if !f.IsValid() || f.Type() != reflect.TypeFor[T]() {
		return nil
	}
	return (*T)(f.Addr().UnsafePointer())
}
