package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/testutil"
)

func TestCPUIsReadBehindAnyName(t *testing.T) {
	got, err := cpu([]byte("12 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0"))
	if err != nil || got != 1750*time.Millisecond {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := cpu([]byte("12 (a) S 1")); err == nil {
		t.Error("a short line is taken")
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	used, err := usage(os.Getpid())
	if err != nil || used.Resident < 1<<20 || used.Peak < used.Resident {
		t.Errorf("%+v, %v", used, err)
	}
}

func TestAProgramThatEndsSaysWhy(t *testing.T) {
	testutil.Slow(t)
	var dir string
	p, err := Start(t.Context(), "a shell", "/bin/sh", func(_, own string) ([]string, error) {
		dir = own
		return []string{"-c", "echo no such option; exit 3"}, nil
	})
	if p != nil || err == nil || !strings.Contains(err.Error(), "a shell: it ended: exit status 3; it said:\nno such option") {
		t.Errorf("%v, %v", p, err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("its directory: %v", err)
	}
}

// Between the look for a free port and the program's start somebody else may get it.
func TestAPortThatIsTakenIsTriedAnew(t *testing.T) {
	testutil.Slow(t)
	tries := 0
	_, err := Start(t.Context(), "a shell", "/bin/sh", func(string, string) ([]string, error) {
		if tries++; tries == 1 {
			return []string{"-c", "echo bind: address already in use; exit 1"}, nil
		}
		return []string{"-c", "echo another reason; exit 1"}, nil
	})
	if tries != 2 || err == nil || !strings.Contains(err.Error(), "another reason") {
		t.Errorf("%d tries, %v", tries, err)
	}
}

func TestEndLeavesWhatWasWritten(t *testing.T) {
	testutil.Slow(t)
	p := &Process{Name: "a shell", Dir: t.TempDir(), cmd: exec.Command("/bin/sh", "-c", `trap 'echo bye >"$0"; exit' TERM; echo ready; while :; do sleep 0.01; done`, "said")}
	p.cmd.Dir = p.Dir
	output, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := output.Read(make([]byte, 10)); err != nil {
		t.Error(err)
	}
	p.watch()
	if err := p.End(); err != nil {
		t.Error(err)
	}
	if said, err := os.ReadFile(filepath.Join(p.Dir, "said")); err != nil || string(said) != "bye\n" {
		t.Errorf("%q, %v", said, err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("ended before: %v", err)
	}
	if _, err := os.Stat(p.Dir); !os.IsNotExist(err) {
		t.Errorf("its directory: %v", err)
	}
}
