package reports

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
)

// countUntilKilled counts reports as fast as it can, and prints how many of this
// process were counted each time that they were written.
func countUntilKilled(path string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	store, err := kv.OpenBolt(path, time.Now)
	fail(err)
	c, err := New(Config{Store: store, Flush: time.Hour, Overall: unlimited})
	fail(err)
	for n := 1; ; n++ {
		if w := post(c, violationOf("https://cdn.example")); w.Code != 204 {
			fail(fmt.Errorf("answered %d", w.Code))
		}
		if n%10 == 0 {
			fail(c.Flush(context.Background()))
			fmt.Println(n)
		}
	}
}

// Whenever a process is killed, what it had written is there, and at most a flush more.
func TestKilled(t *testing.T) {
	path := t.TempDir() + "/reports.db"
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	least := uint64(0)
	for round := range 10 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), crashFile+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, written, killAfter := bufio.NewReader(out), uint64(0), 1+rand.IntN(20)
		for n := 0; ; n++ {
			line, err := lines.ReadString('\n')
			if err != nil {
				break // a line that is cut was not said
			}
			if _, err := fmt.Sscan(line, &written); err != nil {
				t.Fatal(err)
			}
			if n == killAfter {
				time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, func() { cmd.Process.Kill() })
			}
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("it ended by itself: %v", err)
		}
		least += written
		store, err := kv.OpenBolt(path, time.Now)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		c, err := New(Config{Store: store, Flush: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		// Rounds may end on either side of midnight.
		got := today(t, c).Accepted
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if got < least || got > least+10 {
			t.Fatalf("round %d: %d are counted, of %d that were written", round, got, least)
		}
		least = got
	}
}
