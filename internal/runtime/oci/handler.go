package oci

import (
	"os"
	"path/filepath"
	"strings"
)

// Handler is one runtime handler that pods can ask for by name.
type Handler struct {
	Name    string // as pods name it in a RuntimeClass
	Binary  string // as the configuration names it: a path, or a name looked up on the runtime's PATH
	Default bool   // pods that name no handler get it
	// Shim marks a handler whose binary is a containerd shim of another kind (Kata, gVisor ...): it has no runc-like OCI runtime to ask.
	Shim bool

	// Of containerd's handlers: the runtime type, and the options that its shim gets.
	Type          string
	Root          string // folder of the OCI runtime's state; empty: the shim's default
	SystemdCgroup bool
}

// Find looks a binary up as execvp(3) does, with the PATH of the runtime that will run it and below a file-system root ("" is /).
// It answers the absolute path; empty: not found.
func Find(root, binary, path string) string {
	is := func(file string) bool {
		st, err := os.Stat(filepath.Join("/", root, file))
		return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
	}
	if strings.ContainsRune(binary, '/') {
		if filepath.IsAbs(binary) && is(binary) {
			return binary
		}
		return ""
	}
	if binary == "" {
		return ""
	}
	for _, dir := range filepath.SplitList(path) {
		if file := filepath.Join(dir, binary); filepath.IsAbs(dir) && is(file) {
			return file
		}
	}
	return ""
}

// DefaultPath is PATH as systemd gives it to its units (systemd.exec(5)), for a runtime whose own can't be read.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"

// PathOf is the PATH of a process, DefaultPath where it can't be read.
func PathOf(proc string, pid int) string {
	b, err := os.ReadFile(filepath.Join(proc, itoa(pid), "environ"))
	if err != nil || pid <= 1 {
		return DefaultPath
	}
	for _, kv := range strings.Split(string(b), "\x00") {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok && v != "" {
			return v
		}
	}
	return DefaultPath
}
