package caddymodule

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/caddyserver/caddy/v2"
)

// Caddy doesn't let a module see the rest of the config that it's part of. What is needed of it is
// read by reflection, nothing is written; where a newer Caddy has another shape, the logs are not
// known to be masked and the config is refused.

// configParts returns the JSON of the apps and the storage of ctx's config, and the admin API's address.
// Caddy drops an app's JSON once that is provisioned.
func configParts(ctx caddy.Context) (parts []json.RawMessage) {
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

func rawJSON(v reflect.Value) json.RawMessage {
	if v.Kind() != reflect.Slice || v.Type().Elem().Kind() != reflect.Uint8 {
		return nil
	}
	return v.Bytes()
}

// openLog is a log of a config as it was opened.
type openLog struct {
	name    string
	file    string       // where it goes, if that is a file
	encoder reflect.Type // nil: Caddy's default
	core    string       // the type's name
}

// openLogs returns the logs of ctx's config, the standard library's ("sink") too.
func openLogs(ctx caddy.Context) ([]openLog, error) {
	config, err := configField(reflect.ValueOf(ctx), "cfg", reflect.Pointer)
	if err != nil {
		return nil, err
	}
	logging, err := configField(config.Elem(), "Logging", reflect.Pointer)
	if err != nil {
		return nil, err
	}
	logs, err := configField(logging.Elem(), "Logs", reflect.Map)
	if err != nil {
		return nil, err
	}
	named := make(map[string]reflect.Value)
	for each := logs.MapRange(); each.Next(); {
		named[each.Key().String()] = each.Value()
	}
	sink, err := configField(logging.Elem(), "Sink", reflect.Pointer)
	if err != nil {
		return nil, err
	}
	if !sink.IsNil() {
		named[sinkName] = sink
	}
	var open []openLog
	for _, name := range slices.Sorted(maps.Keys(named)) {
		one, err := readLog(name, named[name].Elem())
		if err != nil {
			return nil, err
		}
		open = append(open, one)
	}
	return open, nil
}

// sinkName is what a config calls the log of Go's standard library.
const sinkName = "sink"

func readLog(name string, log reflect.Value) (openLog, error) {
	one := openLog{name: name}
	base, err := configField(log, "BaseLog", reflect.Struct)
	if err != nil {
		return one, err
	}
	encoder, err := configField(base, "encoder", reflect.Interface)
	if err != nil {
		return one, err
	}
	core, err := configField(base, "core", reflect.Interface)
	if err != nil {
		return one, err
	}
	if !encoder.IsNil() {
		one.encoder = encoder.Elem().Type()
	}
	if !core.IsNil() {
		one.core = core.Elem().Type().String()
	}
	if writer, err := configField(base, "writerOpener", reflect.Interface); err == nil && !writer.IsNil() {
		if to := reflect.Indirect(writer.Elem()); to.Kind() == reflect.Struct {
			if filename := to.FieldByName("Filename"); filename.Kind() == reflect.String {
				one.file = filename.String()
			}
		}
	}
	return one, nil
}

// configField returns a struct's field that is expected to be of a kind.
func configField(of reflect.Value, name string, kind reflect.Kind) (reflect.Value, error) {
	if of.Kind() != reflect.Struct {
		return reflect.Value{}, fmt.Errorf("%s is looked for in a %s: this Caddy is another than the one that was known", name, of.Kind())
	}
	f := of.FieldByName(name)
	if f.Kind() != kind {
		return reflect.Value{}, fmt.Errorf("%s has no %s %s: this Caddy is another than the one that was known", of.Type(), kind, name)
	}
	return f, nil
}
