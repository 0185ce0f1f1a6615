package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nodeagent/internal/agent"
	"nodeagent/internal/state"
	"nodeagent/internal/view"
)

// Exit codes. 78 is EX_CONFIG of sysexits.h, and says too that a newer agent wrote the state; 130 is what a shell gives to a process that SIGINT ended.
const (
	exitOK          = 0
	exitProblem     = 1
	exitUnknown     = 2 // and wrong use
	exitBadConfig   = 78
	exitInterrupted = 130
)

// outcome ends a command with a code. Without an error everything was said already.
type outcome struct {
	code int
	err  error
}

func (o *outcome) Error() string {
	if o.err == nil {
		return fmt.Sprintf("exit status %d", o.code)
	}
	return o.err.Error()
}
func (o *outcome) Unwrap() error { return o.err }

// exits ends a command with a code, everything having been said.
func exits(code int) error {
	if code == exitOK {
		return nil
	}
	return &outcome{code: code}
}

// does makes the errors of a command's own work known as such: every other error is cobra's and means wrong use.
func does(fn func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := fn(cmd, args)
		var o *outcome
		if err == nil || errors.As(err, &o) {
			return err
		}
		return &outcome{code: codeOf(err), err: err}
	}
}

// wrong is a command that was used wrongly.
func wrong(format string, args ...any) error {
	return &outcome{code: exitUnknown, err: fmt.Errorf(format, args...)}
}

// group is a command that does nothing without one of its own commands.
func group(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	}
	return fmt.Errorf("%s needs one of its commands", cmd.CommandPath())
}

func codeOf(err error) int {
	var bad *agent.ConfigError
	var newer *state.VersionError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &bad), errors.As(err, &newer): // trying again changes neither
		return exitBadConfig
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitProblem
}

// finish says on stderr what went wrong and what to do next, and returns the exit code.
func finish(cmd *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	var o *outcome
	if !errors.As(err, &o) {
		o = &outcome{code: exitUnknown, err: err}
	}
	if o.err != nil && o.code != exitInterrupted {
		problem, fix := explain(o.err)
		if o.code == exitUnknown && fix == "" {
			fix = "see `" + cmd.CommandPath() + " --help`"
		}
		for l := range strings.Lines(problem) {
			fmt.Fprintln(os.Stderr, "nodeagent: "+view.OneLine(l))
		}
		if fix != "" {
			fmt.Fprintln(os.Stderr, "  -> "+view.OneLine(fix))
		}
	}
	return o.code
}

// explain splits an error into what is wrong and what to do next. Errors of the socket carry the second in their text.
func explain(err error) (problem, fix string) {
	var refused *view.Error
	var bad *agent.ConfigError
	switch {
	case errors.As(err, &refused):
		return refused.Problem, refused.Fix
	case errors.As(err, &bad):
		return bad.Error(), "correct the configuration until `nodeagent config check` says ok"
	case errors.Is(err, state.ErrTaken):
		return err.Error(), "stop that one (`systemctl stop nodeagent`), or give this one another stateDir"
	}
	return err.Error(), ""
}
