package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process and its children used until now.
type Usage struct {
	CPU      time.Duration // in user mode and in the kernel, in steps of 10 ms
	Resident int64         // bytes
	Peak     int64         // bytes: the most that were resident
}

// tick is the unit of the times in /proc/PID/stat: Linux counts 100 of them a second for all programs.
const tick = time.Second / 100

// Usage reads what the kernel counted. Memory that a process shares with its children counts for each.
func (p *Process) Usage() (Usage, error) {
	var sum Usage
	for _, pid := range append(children(p.cmd.Process.Pid), p.cmd.Process.Pid) {
		one, err := usage(pid)
		if err != nil {
			return Usage{}, fmt.Errorf("%s: %w", p.Name, err)
		}
		sum.CPU += one.CPU
		sum.Resident += one.Resident
		sum.Peak += one.Peak
	}
	return sum, nil
}

// Descriptors is how many the process has open.
func (p *Process) Descriptors() (int, error) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	return len(open), err
}

// children of a process that starts them once, such as nginx. Without any the kernel's list is empty.
func children(pid int) (found []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is sound
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}

func usage(pid int) (Usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}, err
	}
	used := Usage{}
	if used.CPU, err = cpu(stat); err != nil {
		return Usage{}, err
	}
	if used.Resident, err = kibibytes(status, "VmRSS:"); err != nil {
		return Usage{}, err
	}
	used.Peak, err = kibibytes(status, "VmHWM:")
	return used, err
}

// cpu reads utime and stime, the 14th and 15th field of proc(5)'s stat; the name before may hold anything.
func cpu(stat []byte) (time.Duration, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, errors.New("the kernel doesn't tell the time that a process used")
	}
	user, err := strconv.ParseInt(string(fields[11]), 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * tick, err
}

func kibibytes(status []byte, name string) (int64, error) {
	_, rest, found := bytes.Cut(status, []byte("\n"+name))
	fields := bytes.Fields(rest)
	if !found || len(fields) == 0 {
		return 0, fmt.Errorf("the kernel doesn't tell %s", name)
	}
	n, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return n << 10, err
}
