//go:build unix

package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func init() {
	helpers["load"], helpers["full"] = loadUntilKilled, fillDisk
}

func helper(t *testing.T, mode, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, path)
	cmd.Env = append(os.Environ(), helperMode+"="+mode)
	cmd.Stderr = os.Stderr
	return cmd
}

// loadUntilKilled appends for ever, and prints the sequence and performer of each
// entry when it is acknowledged.
func loadUntilKilled(path string) error {
	keys, err := NewKeys(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		return err
	}
	l, err := openAt(path, keys)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				e := reveal(fmt.Sprintf("%d/%d/%d", os.Getpid(), g, i), g)
				r, err := l.Append(context.Background(), e)
				if err != nil {
					panic(err)
				}
				fmt.Printf("%d %s\n", r.Sequence, e.Performer)
			}
		})
	}
	wg.Wait()
	return nil
}

func TestKilledTwentyTimesUnderLoad(t *testing.T) {
	path := logPath(t)
	acknowledged := make(map[uint64]string)
	var earlier []Checkpoint
	for run := range 20 {
		cmd := helper(t, "load", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		killAfter := 1 + rand.IntN(300)
		for n := 0; lines.Scan(); n++ {
			var sequence uint64
			var performer string
			// The last line may be cut: then it was not said to the end.
			if _, err := fmt.Sscanf(lines.Text(), "%d %s", &sequence, &performer); err != nil || strings.Count(performer, "/") != 2 {
				continue
			}
			acknowledged[sequence] = performer
			if n == killAfter {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("run %d ended by itself: %v", run, err)
		}

		l := mustOpen(t, path)
		found := make(map[uint64]string)
		for _, e := range entries(t, l) {
			found[e.Sequence] = e.Performer
		}
		for sequence, performer := range acknowledged {
			if !strings.HasPrefix(found[sequence], performer) {
				t.Fatalf("run %d: entry %d of %s was acknowledged, it is %q", run, sequence, performer, found[sequence])
			}
		}
		if r, err := l.Verify(earlier...); err != nil || r.Followed != len(earlier)+1 {
			t.Fatalf("run %d: %d checkpoints, %v", run, r.Followed, err)
		}
		earlier = append(earlier, l.Checkpoint())
		mustClose(t, l)
	}
	t.Logf("%d acknowledged entries", len(acknowledged))
}

// fillDisk appends until a write fails, for want of room, and again when there is room.
func fillDisk(path string) error {
	keys, err := NewKeys(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		return err
	}
	l, err := openAt(path, keys)
	if err != nil {
		return err
	}
	// The limit does what a full disk does: a write past it fails.
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	const first = 30
	for i := range first {
		if _, err := l.Append(context.Background(), info("early", i)); err != nil {
			return err
		}
	}
	file, err := os.Stat(path)
	if err != nil {
		return err
	}
	full := limit
	full.Cur = uint64(file.Size()) // bbolt has made some room in advance
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		return err
	}
	acknowledged, refused := uint64(first), 0
	for i := 0; refused < 20; i++ {
		e := reveal(fmt.Sprint("user ", i), 1)
		e.Reason = strings.Repeat("large ", 150)
		_, err := l.Append(context.Background(), e)
		switch {
		case err == nil && refused > 0:
			return errors.New("an entry was written though there is no room")
		case err == nil:
			acknowledged++
		case !strings.Contains(err.Error(), syscall.EFBIG.Error()): // bbolt wraps it not always
			return fmt.Errorf("the error is not the disk's: %w", err)
		default:
			refused++
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	r, err := l.Append(context.Background(), reveal("afterwards", 1))
	if err != nil {
		return fmt.Errorf("appending when there is room again: %w", err)
	}
	if r.Sequence != acknowledged+1 {
		return fmt.Errorf("the entry after %d has number %d", acknowledged, r.Sequence)
	}
	if _, err := l.Verify(); err != nil {
		return err
	}
	fmt.Println(acknowledged)
	return l.Close()
}

func TestFullDiskRefusesAndRecovers(t *testing.T) {
	path := logPath(t)
	out, err := helper(t, "full", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var acknowledged int
	if _, err := fmt.Sscan(string(out), &acknowledged); err != nil || acknowledged < 100 {
		t.Fatalf("%q: %d were acknowledged, %v", out, acknowledged, err)
	}
	l := mustOpen(t, path)
	defer mustClose(t, l)
	if got := entries(t, l); len(got) != acknowledged+1 || got[acknowledged].Performer != "afterwards" {
		t.Errorf("%d entries, want the %d acknowledged and one more", len(got), acknowledged)
	}
}
