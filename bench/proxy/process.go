package main

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha1" // what go-camo signs URLs with
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server in a process of its own, so that its memory can be told.
type process struct {
	name    string // for people
	address string // host:port
	path    string // of the image
	cmd     *exec.Cmd
	dir     string // to be removed, if any
}

// key signs the URLs of the peer.
const key = "not a secret: for measuring only"

// start runs one of this command's own servers.
func start(ctx context.Context, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{name: args[0], cmd: cmd}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", p.name, err), p.stop())
	}
	p.address = strings.TrimSpace(line)
	return p, nil
}

// serverEnv tells a test's binary that it is to be one of the servers.
const serverEnv = "PEERBENCH_SERVER"

func startPeer(ctx context.Context, o options, tool *process) (*process, error) {
	image := "http://" + tool.address + "/image.png"
	var p *process
	var err error
	if o.goCamo == "" {
		p, err = start(ctx, "stand-in")
	} else {
		p, err = startBinary(ctx, "go-camo", o.goCamo, func(address, _ string) ([]string, error) {
			return []string{"--listen", address, "--key", key}, nil
		})
	}
	if err == nil {
		p.path = signed(image)
	}
	return p, err
}

// signed is the path under which the peer has a URL.
func signed(url string) string {
	mac := hmac.New(sha1.New, []byte(key))
	mac.Write([]byte(url))
	return "/" + hex.EncodeToString(mac.Sum(nil)) + "/" + hex.EncodeToString([]byte(url))
}

func startOurs(ctx context.Context, o options, tool *process, cached bool) (p *process, err error) {
	origin, name := "http://"+tool.address, "ours"
	if o.edge != "" {
		name = "the whole edge"
		p, err = startBinary(ctx, name, o.edge, func(address, dir string) ([]string, error) {
			return edgeConfig(address, dir, origin, cached)
		})
	} else {
		p, err = start(ctx, "ours", "-origin", origin, "-cache="+strconv.FormatBool(cached))
	}
	if err != nil {
		return p, err
	}
	p.name, p.path = name+" without cache", "/.tools/images/image.png"
	if cached {
		p.name = name + " from cache"
	}
	return p, nil
}

const caddyfile = `{
	admin off
	persist_config off
	auto_https off
	storage file_system DIR
	wikiveil {
		data_dir DIR
		CACHE
		tool images ORIGIN {
			kinds img
			limit 1000000/1s
			client_limit 1000000/1s
			allow_loopback
		}
	}
}
http://ADDRESS {
	client_mask
	anonproxy
}
`

// edgeConfig writes a Caddyfile for the whole edge and returns the arguments.
func edgeConfig(address, dir, origin string, cached bool) ([]string, error) {
	cache := "tools_cache off"
	if cached {
		cache = ""
	}
	text := strings.NewReplacer("DIR", dir, "CACHE", cache, "ORIGIN", origin, "ADDRESS", address).Replace(caddyfile)
	file := filepath.Join(dir, "Caddyfile")
	return []string{"run", "--config", file}, os.WriteFile(file, []byte(text), 0o600)
}

// startBinary runs another program on a free port and waits until it answers.
func startBinary(ctx context.Context, name, binary string, args func(address, dir string) ([]string, error)) (*process, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &process{name: name, address: free.Addr().String()}
	if err := free.Close(); err != nil {
		return nil, err
	}
	if p.dir, err = os.MkdirTemp("", "peerbench"); err != nil {
		return nil, err
	}
	words, err := args(p.address, p.dir)
	if err != nil {
		return nil, err
	}
	p.cmd = exec.CommandContext(ctx, binary, words...)
	p.cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", p.address)
		if err == nil {
			return p, conn.Close()
		}
		if time.Now().After(end) {
			return nil, errors.Join(fmt.Errorf("%s doesn't listen: %w", name, err), p.stop())
		}
	}
}

var peak = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// memory is the most that the process had resident, in bytes.
func (p *process) memory() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	found := peak.FindSubmatch(status)
	if found == nil {
		return 0, errors.New("the kernel doesn't tell the peak of memory")
	}
	kib, err := strconv.ParseInt(string(found[1]), 10, 64)
	return kib << 10, err
}

// stop ends the process.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait() // it was told to end
	if p.dir != "" {
		err = errors.Join(err, os.RemoveAll(p.dir))
	}
	return err
}
