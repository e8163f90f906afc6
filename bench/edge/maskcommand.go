package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/wikiveil/wikiveil/bench/internal/rounds"
)

const (
	maskedLines = 2_000_000
	loop        = "PHP"
)

// phpMasks makes the same lines as wikiveil mask, in the plain way.
const phpMasks = `<?php
$key = hash_hkdf('sha256', hex2bin(trim(file_get_contents($argv[1]))), 32, 'wikiveil/v1/mask/');
while (($line = fgets(STDIN)) !== false) {
	$address = rtrim($line);
	$mac = hash_hmac('sha256', "client\0\4" . inet_pton($address), $key, true);
	echo $address, "\t", inet_ntop("\x20\x01\x00\x2f" . substr($mac, 0, 12)), "\n";
}
`

// maskCommand lets wikiveil mask and a loop of PHP mask a file of addresses, in turn.
func maskCommand(ctx context.Context, b *bench) (part, error) {
	php, err := findProgram("php")
	if err != nil {
		return part{left: "PHP is not installed"}, nil
	}
	place := func(name string) string { return filepath.Join(b.dir, name) }
	err = errors.Join(
		writeAddresses(place("addresses")),
		os.WriteFile(place("secret"), []byte(strings.Repeat("2a", 32)+"\n"), 0o600),
		os.WriteFile(place("masks.php"), []byte(phpMasks), 0o600))
	if err != nil {
		return part{}, err
	}
	jobs := []*job{
		{name: edge, args: []string{b.edge, "mask", "--secret-file", place("secret")}, input: place("addresses")},
		{name: loop, args: []string{php, place("masks.php"), place("secret")}, input: place("addresses")},
	}
	for range min(b.rounds, 3) { // each takes seconds
		for _, j := range jobs {
			if err := j.run(ctx, b.dir); err != nil {
				return part{}, err
			}
		}
	}
	if !bytes.Equal(jobs[0].sum, jobs[1].sum) {
		return part{}, errors.New("they don't print the same masks")
	}
	series := map[string]rounds.Series{edge: jobs[0].measured, loop: jobs[1].measured}
	found := part{figures: claim{of: edge, against: loop, rate: must(bound{value: 10, kind: least, format: "%.1f"}), cpu: info}.figures(series)}
	for _, j := range jobs {
		found.contenders = append(found.contenders, contenderFigures{
			name: j.name, rate: rounds.Of(j.measured.Rate).Median, cpu: rounds.Of(j.measured.CPU).Median, resident: j.peak,
		})
	}
	return found, nil
}

// job is a program that works through a file of lines.
type job struct {
	name, input string
	args        []string
	measured    rounds.Series
	sum         []byte // of what it printed last
	peak        int64  // bytes that it had resident at most
}

func (j *job) run(ctx context.Context, dir string) error {
	input, err := os.Open(j.input)
	if err != nil {
		return err
	}
	defer input.Close()
	output, err := os.Create(filepath.Join(dir, "masks"))
	if err != nil {
		return err
	}
	defer output.Close()
	cmd := exec.CommandContext(ctx, j.args[0], j.args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, output, os.Stderr
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", j.name, err)
	}
	j.measured.Rate = append(j.measured.Rate, maskedLines/time.Since(begin).Seconds())
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	j.measured.CPU = append(j.measured.CPU, cpu.Seconds()/maskedLines)
	j.peak = max(j.peak, peakOf(cmd.ProcessState))
	hash := sha256.New()
	if _, err := output.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(hash, output)
	j.sum = hash.Sum(nil)
	return err
}

func writeAddresses(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	address := netip.MustParseAddr("10.0.0.0")
	for range maskedLines {
		fmt.Fprintln(out, address)
		address = address.Next()
	}
	return out.Flush()
}

// peakOf is the most that an ended process had resident, in bytes.
func peakOf(state *os.ProcessState) int64 {
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		return usage.Maxrss << 10
	}
	return 0
}
