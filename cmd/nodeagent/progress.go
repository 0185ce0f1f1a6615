package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"nodeagent/internal/view"
)

// progress says on stderr what work that may take long is at: on a terminal in one line that is written over and is gone at the end, elsewhere in a
// line for each part as it begins.
type progress struct {
	w        io.Writer
	terminal bool
	part     string
}

func progressOf(cmd *cobra.Command) *progress {
	p := &progress{w: cmd.ErrOrStderr()}
	if p.w == os.Stderr && os.Getenv("TERM") != "dumb" {
		_, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS)
		p.terminal = err == nil
	}
	return p
}

// at is told a step of a part as it begins.
func (p *progress) at(part, step string) {
	begins := part != p.part
	p.part = part
	switch {
	case p.terminal:
		fmt.Fprint(p.w, "\r"+eraseLine+cut(view.OneLine(part+": "+step), defaultWidth-1))
	case begins:
		fmt.Fprintln(p.w, view.OneLine(part)+" is tried")
	}
}

// end takes the line away.
func (p *progress) end() {
	if p.terminal && p.part != "" {
		fmt.Fprint(p.w, "\r"+eraseLine)
	}
}
