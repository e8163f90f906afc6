// Package process starts the programs that benchmarks measure, each in a process of
// its own on loopback, so that what the kernel counts for each can be told apart.
package process

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Process is a running program.
type Process struct {
	Name    string // for people
	Address string // host:port that it serves
	Dir     string // its own, removed when it is stopped; empty if it has none
	cmd     *exec.Cmd
	exited  chan struct{} // closed when it has ended
}

// ServerEnv tells a test's binary that it is to be one of its command's own servers.
const ServerEnv = "WIKIVEIL_BENCH_SERVER"

// StartSelf runs this program with other arguments, as a server that prints its address.
func StartSelf(ctx context.Context, args ...string) (*Process, error) {
	cmd, err := Self(ctx, args...)
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &Process{Name: args[0], cmd: cmd}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	p.watch() // from here on: waiting closes the pipe
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", p.Name, err), p.Stop())
	}
	p.Address = strings.TrimSpace(line)
	return p, nil
}

// Self is this program with other arguments, not yet started.
func Self(ctx context.Context, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), ServerEnv+"=1")
	return cmd, nil
}

// Start runs a program on a free port and waits until it takes connections. args
// gets the address and a directory of its own, where it writes what is configured.
func Start(ctx context.Context, name, binary string, args func(address, dir string) ([]string, error)) (p *Process, err error) {
	for range 5 {
		p, err = startOnce(ctx, name, binary, args)
		if !errors.Is(err, errTaken) {
			break
		}
	}
	return p, err
}

// errTaken is the error where somebody else got the port that was free.
var errTaken = errors.New("its port was taken")

func startOnce(ctx context.Context, name, binary string, args func(address, dir string) ([]string, error)) (_ *Process, err error) {
	p := &Process{Name: name}
	if p.Address, err = FreeAddress(); err != nil {
		return nil, err
	}
	if p.Dir, err = os.MkdirTemp("", "wikiveil-bench"); err != nil {
		return nil, err
	}
	words, err := args(p.Address, p.Dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.Dir))
	}
	output, err := os.OpenFile(filepath.Join(p.Dir, "output"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.Dir))
	}
	defer output.Close()
	p.cmd = exec.CommandContext(ctx, binary, words...)
	p.cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+p.Dir, "XDG_CONFIG_HOME="+p.Dir)
	p.cmd.Stdout, p.cmd.Stderr = output, output
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.Dir))
	}
	p.watch()
	if err := p.awaitListening(time.Now().Add(time.Minute)); err != nil {
		said, _ := os.ReadFile(output.Name()) // best effort: the error itself says the rest
		if bytes.Contains(bytes.ToLower(said), []byte("address already in use")) {
			err = fmt.Errorf("%w: %w", errTaken, err)
		}
		return nil, errors.Join(fmt.Errorf("%s: %w; it said:\n%s", name, err, lastLines(said)), p.Stop())
	}
	return p, nil
}

// FreeAddress returns a loopback address with a port that nobody listens on.
func FreeAddress() (string, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return free.Addr().String(), free.Close()
}

func (p *Process) watch() {
	p.exited = make(chan struct{})
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // ProcessState has what it returns
	}()
}

func (p *Process) awaitListening(end time.Time) error {
	for time.Now().Before(end) {
		conn, err := net.Dial("tcp", p.Address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.exited:
			return fmt.Errorf("it ended: %s", p.cmd.ProcessState)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return errors.New("it doesn't listen")
}

func lastLines(text []byte) []byte {
	const most = 2000
	if len(text) > most {
		text = text[len(text)-most:]
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	return text
}

// Stop is End, and removes the directory.
func (p *Process) Stop() error {
	if p == nil {
		return nil
	}
	err := p.End()
	if p.Dir != "" {
		err = errors.Join(err, os.RemoveAll(p.Dir))
	}
	return err
}

// End ends the process, unless it has ended. It fails where the process had to be killed.
func (p *Process) End() error {
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	select {
	case <-p.exited:
	case <-time.After(15 * time.Second):
		err = cmp.Or(err, fmt.Errorf("%s doesn't end when it is told to", p.Name))
		err = errors.Join(err, p.cmd.Process.Kill())
		<-p.exited
	}
	return err
}
