package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"

	"nodeagent/internal/api/client"
	"nodeagent/internal/event"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"nodeagent": main})
}

// TestScripts runs the command lines of testdata/script. They need neither root nor a container runtime.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE") != "", // rewrites what cmp compares
		Setup: func(e *testscript.Env) error {
			// A name of our own for everything that would else be this machine's.
			e.Setenv("NODEAGENT_SOCKET", "")
			e.Setenv("TZ", "UTC")
			e.Setenv("LC_ALL", "C.UTF-8")
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await-socket": awaitSocket,
			"expand":       expand,
			"ring":         writeRing,
			"eventually":   eventually,
			"exit-code":    exitCode,
			"await-text":   awaitText,
			"signal":       signalAll,
			"narrow":       narrow,
			"unpack":       unpack,
		},
	})
}

// patience bounds every wait of a script: far above what any of them takes.
const patience = 20 * time.Second

// retry runs fn until it returns nil.
func retry(fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := fn(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// awaitSocket SOCKET waits until a daemon answers there; ! waits until none does.
func awaitSocket(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: await-socket SOCKET")
	}
	c := client.New(ts.MkAbs(args[0]))
	defer c.Close()
	ts.Check(retry(func(ctx context.Context) error {
		_, err := c.Status(ctx)
		switch {
		case neg && errors.Is(err, client.ErrNoDaemon):
			return nil
		case neg:
			return fmt.Errorf("a daemon still answers: %v", err)
		}
		return err
	}))
}

// expand FILE... puts the values of variables into files.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	for _, f := range args {
		text := os.Expand(ts.ReadFile(f), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(f), []byte(text), 0o600))
	}
}

// writeRing FOLDER makes a timeline of four events, the first of which is two days old.
func writeRing(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	r, err := event.Open(dir, "boot", 1<<20)
	ts.Check(err)
	at := time.Now()
	for _, e := range []event.Event{
		{Time: at.Add(-48 * time.Hour), Kind: event.KindAgent, Message: "nodeagent started two days ago"},
		{Time: at.Add(-2 * time.Hour), Kind: event.KindCondition, Subject: "RuntimeResponsive", Reason: "Hung", Message: "failing: containerd did not answer Version within 3s, and this is a long message"},
		{Time: at.Add(-time.Hour), Kind: event.KindExit, Subject: "default/web", Reason: "Error", Message: "web ended with \x1b[31m137\x1b[0m", Log: "opening\tdb\n\x1b[2Jpassword=hunter2"},
		{Time: at.Add(-time.Minute), Kind: event.KindMute, Subject: "StaticPods", Message: "muted"},
	} {
		r.Append(e)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.Run(ctx)
	ts.Check(r.Err())
	ts.Check(r.Close())
}

// eventually REGEXP PROGRAM... runs a program until its output matches.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually REGEXP PROGRAM...")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	ts.Check(retry(func(context.Context) error {
		ts.Exec(args[1], args[2:]...) // its exit code is not what is waited for
		if got := ts.ReadFile("stdout"); !want.MatchString(got) {
			return fmt.Errorf("no %q in:\n%s%s", args[0], got, ts.ReadFile("stderr"))
		}
		return nil
	}))
}

// exitCode N PROGRAM... runs a program that must exit with N.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit-code N PROGRAM...")
	}
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit interface{ ExitCode() int }
		if !errors.As(err, &exit) {
			ts.Fatalf("run %s: %v", args[1], err)
		}
		got = fmt.Sprint(exit.ExitCode())
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s\n%s%s", got, args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// awaitText FILE REGEXP waits until a file that something else writes matches.
func awaitText(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await-text FILE REGEXP")
	}
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	ts.Check(retry(func(context.Context) error {
		got, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && !want.Match(got) {
			err = fmt.Errorf("no %q in:\n%s", args[1], got)
		}
		return err
	}))
}

// signalAll TERM sends a signal to every program in the background; testscript's own kill knows INT and KILL alone.
func signalAll(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "TERM" {
		ts.Fatalf("usage: signal TERM")
	}
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
	}
}

// narrow WIDTH fails if a line of the last output is longer.
func narrow(ts *testscript.TestScript, neg bool, args []string) {
	width := 0
	fmt.Sscan(args[0], &width)
	for l := range strings.Lines(ts.ReadFile("stdout")) {
		if n := len([]rune(strings.TrimRight(l, "\n"))); n > width {
			ts.Fatalf("%d characters: %s", n, l)
		}
	}
}

// unpack FILE FOLDER takes a bundle apart, without the folder that is in it.
func unpack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: unpack FILE FOLDER")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if info.Mode().Perm() != 0o600 {
		ts.Fatalf("%s has mode %v", args[0], info.Mode())
	}
	z, err := zstd.NewReader(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(err)
	defer z.Close()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		ts.Check(err)
		_, name, _ := strings.Cut(h.Name, "/")
		path := filepath.Join(ts.MkAbs(args[1]), filepath.Clean("/"+name))
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
		b, err := io.ReadAll(r)
		ts.Check(err)
		ts.Check(os.WriteFile(path, b, 0o600))
	}
}
