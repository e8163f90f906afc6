package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/wikiveil/wikiveil/bench/internal/process"
)

// Command is the first argument with which a program that calls RunApart must call ServeApart.
const Command = "load"

// answer is what the process with the clients says.
type answer struct {
	Result Result
	Error  string
}

// RunApart runs the clients in a process of their own, and tells the CPU time that they took too.
func RunApart(ctx context.Context, spec Spec) (Result, time.Duration, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return Result{}, 0, err
	}
	cmd, err := process.Self(ctx, Command, string(text))
	if err != nil {
		return Result{}, 0, err
	}
	cmd.Stderr = os.Stderr
	said, err := cmd.Output()
	if err != nil {
		return Result{}, 0, fmt.Errorf("the clients: %w", err)
	}
	var a answer
	if err := json.Unmarshal(said, &a); err != nil {
		return Result{}, 0, fmt.Errorf("the clients: %w", err)
	}
	if a.Error != "" {
		return Result{}, 0, errors.New(a.Error)
	}
	return a.Result, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// ServeApart is RunApart's other side: args are what follows Command.
func ServeApart(ctx context.Context, args []string, out io.Writer) error {
	runtime.GOMAXPROCS(1) // more would look for work where there is none, on a core that the server needs
	var spec Spec
	if len(args) != 1 {
		return errors.New("say what to ask for")
	}
	if err := json.Unmarshal([]byte(args[0]), &spec); err != nil {
		return err
	}
	result, err := Run(ctx, spec)
	a := answer{Result: result}
	if err != nil {
		a.Error = err.Error()
	}
	return json.NewEncoder(out).Encode(a)
}
