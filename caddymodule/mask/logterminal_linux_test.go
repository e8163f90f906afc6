package mask

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// terminalStderr makes the process's standard error a terminal.
func terminalStderr(t *testing.T) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal to be had: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := syscall.Dup(2)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Dup3(int(slave.Fd()), 2, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Dup3(saved, 2, 0); err != nil {
			t.Error(err)
		}
		syscall.Close(saved)
		slave.Close()
	})
}

// Friction 11: without a name, masked and raw write as Caddy does: console on a terminal, JSON elsewhere.
func TestFriction11TheDefaultFormat(t *testing.T) {
	isJSON := func(e zapcore.Encoder, to caddy.WriterOpener) bool {
		t.Helper()
		if err := e.(caddy.ConfiguresFormatterDefault).ConfigureDefaultFormat(to); err != nil {
			t.Fatal(err)
		}
		line, err := e.EncodeEntry(zapcore.Entry{Message: "m"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return strings.HasPrefix(line.String(), "{")
	}
	newRaw := func() *RawEncoder {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		t.Cleanup(cancel)
		e := new(RawEncoder)
		if err := e.Provision(ctx); err != nil {
			t.Fatal(err)
		}
		return e
	}
	edgetest.CaptureStderr(t)
	if !isJSON(newMaskedEncoder(t), caddy.StderrWriter{}) || !isJSON(newRaw(), caddy.StderrWriter{}) {
		t.Error("not JSON in a file")
	}
	terminalStderr(t)
	if isJSON(newMaskedEncoder(t), caddy.StderrWriter{}) || isJSON(newRaw(), caddy.StderrWriter{}) {
		t.Error("JSON on a terminal")
	}
	if !isJSON(newMaskedEncoder(t), caddy.DiscardWriter{}) {
		t.Error("not JSON beside a terminal")
	}
}
