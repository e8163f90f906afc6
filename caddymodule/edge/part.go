package edge

import "github.com/caddyserver/caddy/v2"

// Part is what a package on top of this one has for a whole config, beside what its modules have for each site. The app
// makes one of each declared kind, and calls those of these methods that T has:
//
//	Provision(caddy.Context, *App) error  reads and checks; what is to be opened is handed to OnStart
//	Start()                               all is open, and requests are let in
//	InUse()                               the config is the one that runs: now what can't be taken back
//	Stop()                                ends what an opener or Start began, as far as it did; may come twice, and without any of the others
type Part[T any] struct{ kind *partKind }

// partKind is a part as it is declared.
type partKind struct{ make func() any }

var partKinds []*partKind

// NewPart declares a part. Call it in a package's variables.
func NewPart[T any]() Part[T] {
	kind := &partKind{func() any { return new(T) }}
	partKinds = append(partKinds, kind)
	return Part[T]{kind}
}

// Of returns an app's part; nil before the app is provisioned.
func (p Part[T]) Of(app *App) *T {
	part, _ := app.parts[p.kind].(*T)
	return part
}

// makeParts makes the app's parts: all are there before anything is provisioned.
func (a *App) makeParts() {
	a.parts = make(map[*partKind]any)
	for _, kind := range partKinds {
		a.parts[kind] = kind.make()
	}
}

func (a *App) provisionParts(ctx caddy.Context) error {
	for _, part := range partsWith[interface {
		Provision(caddy.Context, *App) error
	}](a) {
		if err := part.Provision(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) startParts() {
	for _, part := range partsWith[interface{ Start() }](a) {
		part.Start()
	}
}

func (a *App) stopParts() {
	for _, part := range partsWith[interface{ Stop() }](a) {
		part.Stop()
	}
}

// partsWith returns the app's parts that have the methods of T, in the order in which they were declared.
func partsWith[T any](a *App) (parts []T) {
	for _, kind := range partKinds {
		if part, ok := a.parts[kind].(T); ok {
			parts = append(parts, part)
		}
	}
	return parts
}
