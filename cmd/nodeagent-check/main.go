// nodeagent-check answers keepalived's vrrp_script: is this node fit for the VIP?
//
//	nodeagent-check NAME    or the path of a verdict file
//
// It exits with 0 fit, 1 unfit, 2 unknown or wrong use, within a second, and prints one line that says why. It asks the agent on NAME.sock; one
// that does not answer in time is believed by its verdict file, as long as its beat file is fresh.
//
// It runs every second on every node, so it is made of system calls alone: packages os, net and fmt cost more than the check. The
// directives spare the runtime from reading the cgroup's CPU limit, which is of no use here.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import "syscall"

const (
	folder = "/run/nodeagent/verdict/"

	connectTime = 300 // ms: only an agent whose queue is full makes it wait
	readTime    = 500 // ms

	// beatValid is how old the agent's last sign may be, in ms: it rides out a restart of the agent.
	beatValid = 5000
)

const (
	fit     = 0
	unfit   = 1
	unknown = 2
)

func main() {
	code, text := unknown, "usage: nodeagent-check NAME"
	if name, ok := argument(); ok {
		code, text = check(path(name))
	}
	write(1, text+"\n")
	syscall.Exit(code)
}

// argument is the only argument. Package os would have it, at the price of its own start.
func argument() (string, bool) {
	b := make([]byte, 1024)
	n, ok := read("/proc/self/cmdline", b)
	if !ok {
		return "", false
	}
	first := index(b[:n], 0)
	if first < 0 || first+1 >= n {
		return "", false
	}
	rest := b[first+1 : n]
	end := index(rest, 0)
	if end <= 0 || end != len(rest)-1 || rest[0] == '-' {
		return "", false
	}
	return string(rest[:end]), true
}

func path(name string) string {
	if index([]byte(name), '/') >= 0 {
		return name
	}
	return folder + name
}

// check asks the socket, and where that does not answer the files.
func check(path string) (int, string) {
	b := make([]byte, 512)
	if n, ok := ask(path+".sock", b); ok {
		if code, ok := parse(b[:n]); ok {
			return code, line(b[:n])
		}
	}
	return checkFiles(path, sinceBoot())
}

// parse reads "fit 0 ok" and "unfit -60 degraded ...".
func parse(b []byte) (int, bool) {
	end := index(b, '\n')
	if end < 0 { // cut off
		return unknown, false
	}
	first, rest := word(b[:end])
	_, rest = word(rest)
	third, _ := word(rest)
	switch {
	case first == "fit" && third != "":
		return fit, true
	case first == "unfit" && third == "unknown":
		return unknown, true
	case first == "unfit" && third != "":
		return unfit, true
	}
	return unknown, false
}

func checkFiles(path string, now int64) (int, string) {
	b := make([]byte, 64)
	n, ok := read(directory(path)+"beat", b)
	if !ok {
		return unknown, "unknown: the agent does not answer and has left no sign: systemctl status nodeagent"
	}
	beat, ok := number(b[:n])
	if !ok || beat > now { // read while it was written, or of another boot
		n, _ = read(directory(path)+"beat", b)
		beat, ok = number(b[:n])
	}
	if age := now - beat; !ok || age < 0 || age > beatValid {
		return unknown, "unknown: the agent does not answer and its last sign is too old: systemctl status nodeagent"
	}
	if n, ok = read(path, b); !ok {
		return unknown, "unknown: the agent does not answer, and there is no verdict file of this name"
	}
	switch verdict, ok := number(b[:n]); {
	case !ok:
		return unknown, "unknown: the verdict file holds no number"
	case verdict < 0:
		return unfit, "unfit by its file; the agent does not answer"
	}
	return fit, "fit by its file; the agent does not answer"
}

// ask connects and reads one line, each with a deadline.
func ask(path string, b []byte) (int, bool) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer syscall.Close(fd)
	if !within(fd, syscall.SO_SNDTIMEO, connectTime) || !within(fd, syscall.SO_RCVTIMEO, readTime) {
		return 0, false
	}
	if syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}) != nil {
		return 0, false
	}
	n := 0
	for tries := 0; n < len(b) && tries < 8; tries++ {
		m, err := syscall.Read(fd, b[n:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || m <= 0 {
			break
		}
		if n += m; index(b[:n], '\n') >= 0 {
			return n, true
		}
	}
	return n, false
}

func within(fd, option int, ms int64) bool {
	t := syscall.NsecToTimeval(ms * 1_000_000)
	return syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, option, &t) == nil
}

// read reads the beginning of a regular file; a FIFO in its place does not hold it.
func read(path string, b []byte) (int, bool) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		return 0, false
	}
	n, err := syscall.Read(fd, b)
	syscall.Close(fd)
	return max(n, 0), err == nil && n > 0
}

func write(fd int, s string) {
	_, _ = syscall.Write(fd, []byte(s)) // nobody may be listening
}

// number reads a decimal number that ends with the line.
func number(b []byte) (int64, bool) {
	if len(b) > 0 && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	sign := int64(1)
	if len(b) > 0 && b[0] == '-' {
		sign, b = -1, b[1:]
	}
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return sign * n, true
}

// word splits the first word off.
func word(b []byte) (string, []byte) {
	end := 0
	for end < len(b) && b[end] != ' ' {
		end++
	}
	return string(b[:end]), b[min(end+1, len(b)):]
}

func line(b []byte) string {
	if end := index(b, '\n'); end >= 0 {
		b = b[:end]
	}
	return string(b)
}

func index(b []byte, c byte) int {
	for i, x := range b {
		if x == c {
			return i
		}
	}
	return -1
}

func directory(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[:i+1]
		}
	}
	return ""
}
