package caddymodule

import (
	"context"
	"fmt"

	"github.com/caddyserver/certmagic"
)

// inBackground runs something until the function that it returns is called, which waits for its end.
func inBackground(run func(context.Context)) (end func()) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	return func() {
		stop()
		<-done
	}
}

// storageKey tells storages apart: what is followed in one is pooled under it.
func storageKey(storage certmagic.Storage) string { return fmt.Sprintf("%T %v", storage, storage) }
