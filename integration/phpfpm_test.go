//go:build integration

package integration

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// phpFPM is a running php-fpm that serves every test's wiki: a request names its
// wiki's settings in the FastCGI variable MW_CONFIG_FILE.
type phpFPM struct {
	cmd    *exec.Cmd
	socket string
	logs   string // directory
}

const phpFPMConfig = `
[global]
error_log = %[1]s/fpm.log
daemonize = no

[wiki]
%[2]s
listen = %[3]s
pm = static
pm.max_children = 4
access.log = %[1]s/access.log
access.format = "%%{REMOTE_ADDR}e (%%{HTTP_X_FORWARDED_FOR}e) %%m %%{REQUEST_URI}e %%s"
catch_workers_output = yes
php_admin_value[error_log] = %[1]s/php.log
php_admin_flag[log_errors] = on
php_admin_value[sys_temp_dir] = %[1]s
php_admin_value[session.save_path] = %[1]s
php_admin_value[opcache.memory_consumption] = 256
`

func startPHP(dir string) (*phpFPM, error) {
	programs, _ := filepath.Glob("/usr/sbin/php-fpm*")
	if len(programs) == 0 {
		return nil, errors.New("php-fpm is not installed, `scripts/install-test-programs` does it")
	}
	p := &phpFPM{socket: filepath.Join(dir, "fpm.sock"), logs: filepath.Join(dir, "php")}
	if err := os.Mkdir(p.logs, 0o700); err != nil {
		return nil, err
	}
	args, user := []string{"--nodaemonize"}, ""
	if os.Geteuid() == 0 {
		args, user = append(args, "--allow-to-run-as-root"), "user = root"
	}
	config := filepath.Join(dir, "fpm.conf")
	text := fmt.Sprintf(phpFPMConfig, p.logs, user, p.socket)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p.cmd = exec.Command(programs[len(programs)-1], append(args, "--fpm-config", config)...)
	p.cmd.Stderr = os.Stderr
	// It dies with the tests, even with those that are killed: with the thread that
	// started it, which therefore must stay.
	runtime.LockOSThread()
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, p.waitReady()
}

func (p *phpFPM) waitReady() error {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("unix", p.socket)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for php-fpm: %w", err)
		}
	}
}

func (p *phpFPM) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
}
