package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const doUsage = `usage: workload do STEP...; a step is one argument:
  print TEXT            to standard output
  complain TEXT         to standard error
  say FILE TEXT         append a line with the time in nanoseconds
  write FILE TEXT       replace the content
  cat FILE              to standard output
  need FILE             end with status 1 if it is not there
  stall FILE D          wait for D if FILE is there
  await FILE            wait until it is there; SIGTERM ends with status 143
  until FILE            wait until it is there, whatever is sent
  wait D                whatever is sent
  hold                  wait for SIGTERM
  serve ADDRESS FILE    answer HTTP from now on; requests are appended to FILE
  servetls ADDRESS FILE
  eat MIB               use that much memory
  flood N               print N numbered lines
  exit CODE`

// poll is between two looks of a step that waits for a file.
const poll = 10 * time.Millisecond

// do plays steps one after the other, so that a manifest can write down what its containers, probes and hooks do. It ends with the last.
func do(term context.Context, steps []string, out, errOut io.Writer) error {
	if len(steps) == 0 {
		return errors.New(doUsage)
	}
	for _, s := range steps {
		if err := step(term, s, out, errOut); err != nil {
			if _, exit := errors.AsType[exitCode](err); exit {
				return err
			}
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func step(term context.Context, s string, out, errOut io.Writer) error {
	word, rest, _ := strings.Cut(s, " ")
	file, text, _ := strings.Cut(rest, " ")
	switch word {
	case "print":
		_, err := fmt.Fprintln(out, rest)
		return err
	case "complain":
		_, err := fmt.Fprintln(errOut, rest)
		return err
	case "say":
		return say(file, text)
	case "write":
		return os.WriteFile(file, []byte(text), 0o666)
	case "cat":
		return printFile(rest, out)
	case "need":
		if _, err := os.Stat(rest); err != nil {
			fmt.Fprintln(errOut, err)
			return exitCode(1)
		}
		return nil
	case "stall":
		if _, err := os.Stat(file); err != nil {
			return nil
		}
		return wait(text)
	case "await":
		return await(term, rest)
	case "until":
		return await(context.Background(), rest)
	case "wait":
		return wait(rest)
	case "hold":
		<-term.Done()
		return nil
	case "serve", "servetls":
		return background(file, text, word == "servetls")
	case "eat":
		return eat(rest)
	case "flood":
		return flood(rest, out)
	case "exit":
		code, err := strconv.ParseUint(rest, 10, 8)
		if err != nil {
			return err
		}
		return exitCode(code)
	}
	return fmt.Errorf("no such step\n%s", doUsage)
}

// say appends one line by one write: several processes may say into one file.
func say(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d %s\n", time.Now().UnixNano(), text)
	return errors.Join(err, f.Close())
}

func wait(text string) error {
	d, err := time.ParseDuration(text)
	if err == nil {
		time.Sleep(d) // what it is for
	}
	return err
}

func await(term context.Context, file string) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if _, err := os.Stat(file); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-term.Done():
			return exitCode(128 + 15)
		}
	}
}

// eaten keeps what was eaten in use.
var eaten [][]byte

// eat takes memory a MiB at a time and writes to each page of it.
func eat(text string) error {
	n, err := strconv.ParseUint(text, 10, 20)
	if err != nil {
		return err
	}
	for range n {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		eaten = append(eaten, b)
	}
	return nil
}

func flood(text string, out io.Writer) error {
	n, err := strconv.ParseUint(text, 10, 40)
	if err != nil {
		return err
	}
	for i := range n {
		if _, err := fmt.Fprintf(out, "line %09d of a flood that fills a log\n", i); err != nil {
			return err
		}
	}
	return nil
}
