// Package workload holds the small programs that run inside of a lab's pods.
// They are part of the agent's own static binary, behind the hidden first
// argument "workload", so that an image is that one file.
//
// Each of them may be process 1 of a container: it ends at SIGTERM, which the
// kernel does not deliver to a process 1 that has no handler.
package workload

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Name is the first argument that asks for a workload.
const Name = "workload"

const usage = `usage: workload PROGRAM
  pause                       wait for a signal and reap children
  serve [--port N]            answer HTTP; $PORT, else 8080
  crash [--after D] [--code N]
  sleep [--ignore-term]       wait for SIGTERM
  exec-sleep D                return after D
  print-file [--stay] PATH     and with --stay sleep until SIGTERM then
  do STEP...                  see do with no step`

// Run runs a workload if args, the process's arguments without its own name,
// begin with Name; handled is false and nothing happened if they do not. code is the exit
// status: 2 for wrong arguments.
func Run(args []string) (handled bool, code int) {
	if len(args) == 0 || args[0] != Name {
		return false, 0
	}
	err := run(args[1:], os.Stdout)
	if exit, ok := errors.AsType[exitCode](err); ok {
		return true, int(exit)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return true, 2
	}
	return true, 0
}

// exitCode ends a program with a status and no message.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	term, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	program, args := args[0], args[1:]
	set := flag.NewFlagSet(program, flag.ContinueOnError)
	switch program {
	case "pause":
		return pause(term)
	case "serve":
		port := set.String("port", firstOf(os.Getenv("PORT"), "8080"), "TCP port")
		if err := set.Parse(args); err != nil {
			return err
		}
		return serve(term, *port, out)
	case "crash":
		after := set.Duration("after", 20*time.Second, "how long to run")
		code := set.Int("code", 1, "exit status")
		if err := set.Parse(args); err != nil {
			return err
		}
		return crash(term, *after, *code, out)
	case "sleep":
		ignore := set.Bool("ignore-term", false, "end by SIGKILL only")
		if err := set.Parse(args); err != nil {
			return err
		}
		return sleep(term, *ignore, out)
	case "do":
		return do(term, args, out, os.Stderr)
	case "exec-sleep":
		if len(args) != 1 {
			return errors.New(usage)
		}
		d, err := time.ParseDuration(args[0])
		if err != nil {
			return err
		}
		time.Sleep(d) // what it is for
		return nil
	case "print-file":
		stay := set.Bool("stay", false, "then sleep until SIGTERM")
		if err := set.Parse(args); err != nil {
			return err
		}
		if set.NArg() != 1 {
			return errors.New(usage)
		}
		if err := printFile(set.Arg(0), out); err != nil || !*stay {
			return err
		}
		<-term.Done()
		return nil
	}
	return fmt.Errorf("no program %q\n%s", program, usage)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// crash runs for a while and ends with code; at SIGTERM it ends with 0 at once.
func crash(term context.Context, after time.Duration, code int, out io.Writer) error {
	fmt.Fprintf(out, "ending with status %d in %s\n", code, after)
	select {
	case <-time.After(after):
		fmt.Fprintf(out, "ending with status %d\n", code)
		return exitCode(code)
	case <-term.Done():
		fmt.Fprintln(out, "stopped")
		return nil
	}
}

func sleep(term context.Context, ignore bool, out io.Writer) error {
	fmt.Fprintln(out, "sleeping")
	<-term.Done()
	if ignore {
		fmt.Fprintln(out, "SIGTERM ignored")
		select {}
	}
	fmt.Fprintln(out, "stopped")
	return nil
}

func printFile(path string, out io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(out, f)
	return err
}
