package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"nodeagent/internal/view"
)

// onTerminal runs the command on a pseudo-terminal of a size until its screen has the last word wanted, and gives the screen.
func onTerminal(t *testing.T, columns, rows uint16, env []string, last string, args ...string) (raw string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "nodeagent", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = append(append(os.Environ(), "TERM=xterm"), env...)
	err = cmd.Start()
	slave.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	late := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	buf := make([]byte, 4096)
	for !strings.Contains(raw, last) {
		n, err := master.Read(buf)
		raw += string(buf[:n])
		if err != nil { // the command has ended
			t.Fatalf("the screen never had %q:\n%q", last, raw)
		}
	}
	return raw
}

// serveStatus answers the command as a daemon with one status does.
func serveStatus(t *testing.T, s view.Status) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("after") != "0" {
			<-r.Context().Done() // nothing changes
			return
		}
		_ = json.NewEncoder(w).Encode(view.Watch{Seq: 1, Status: s})
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return socket
}

var escapes = regexp.MustCompile(`\x1b\[[?0-9;]*[a-zA-Z]`)

// crowded is a night with as many conditions as a node has.
func crowded() view.Status {
	s := night()
	for i := range 40 {
		s.Conditions = append(s.Conditions, view.Condition{Name: fmt.Sprintf("Condition%d", i), Status: []string{"ok", "absent"}[i%2], Impact: "critical",
			Subjects: []view.Subject{{Status: []string{"ok", "absent"}[i%2]}}})
	}
	return s
}

// A window shows what fails and the pods before anything that is well, whole lines of it, in its own size, and in colours unless that is not wanted.
func TestWatchFitsTheWindow(t *testing.T) {
	socket := serveStatus(t, crowded())
	for _, size := range [][2]uint16{{80, 24}, {120, 40}, {80, 10}} {
		for _, env := range [][]string{nil, {"NO_COLOR=1"}, {"TERM=dumb"}} {
			raw := onTerminal(t, size[0], size[1], env, eraseBelow, "status", "--watch", "--socket", socket)
			coloured := strings.Contains(raw, "\x1b[1;31m")
			if coloured == (env != nil) {
				t.Errorf("%v %v: coloured %v", size, env, coloured)
			}
			_, screen, _ := strings.Cut(raw, home)
			screen, _, _ = strings.Cut(screen, eraseBelow)
			lines := strings.Split(escapes.ReplaceAllString(screen, ""), "\r\n")
			if len(lines) > int(size[1]) {
				t.Errorf("%v: %d lines", size, len(lines))
			}
			for i, l := range lines {
				lines[i] = strings.TrimRight(l, "\r") // the terminal's own
				if l = lines[i]; utf8.RuneCountInString(l) > int(size[0]) {
					t.Errorf("%v: a line too long: %q", size, l)
				}
			}
			text := strings.Join(lines, "\n")
			if !strings.Contains(text, "failing  ") || strings.Contains(text, "Condition7") {
				t.Errorf("%v: what is well takes the room of what is not:\n%s", size, text)
			}
			if size[1] >= 24 && (!strings.Contains(text, "NAMESPACE/NA") || !strings.Contains(text, "absent on this node")) {
				t.Errorf("%v: the pods or the count of the rest are not seen:\n%s", size, text)
			}
		}
	}
}

func TestFolded(t *testing.T) {
	ok := view.Condition{Name: "A", Status: "ok", Subjects: []view.Subject{{Name: "x", Status: "ok"}, {Name: "y", Status: "absent"}}}
	absent := view.Condition{Name: "B", Status: "absent", Subjects: []view.Subject{{Status: "absent"}}}
	off := view.Condition{Name: "C", Disabled: true}
	bad := view.Condition{Name: "D", Status: "failing", Subjects: []view.Subject{{Status: "failing"}}}
	muted := view.Condition{Name: "E", Status: "ok", Subjects: []view.Subject{{Status: "failing", Muted: &view.Mute{}}}}
	for name, x := range map[string]struct {
		of   []view.Condition
		left int
		more string
	}{
		"all":     {[]view.Condition{ok, absent, off, bad, muted}, 2, "and 1 ok, 1 absent on this node, 1 off"},
		"well":    {[]view.Condition{ok, ok}, 0, "conditions: 2 ok"},
		"trouble": {[]view.Condition{bad, muted}, 2, ""},
		"none":    {nil, 0, ""},
	} {
		if got, more := folded(view.Status{Conditions: x.of}); len(got.Conditions) != x.left || more != x.more {
			t.Errorf("%s: %d are left, %q", name, len(got.Conditions), more)
		}
	}
}
