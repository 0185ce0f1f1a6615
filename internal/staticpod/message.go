package staticpod

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"
)

// maxMessageFile is what is read of a termination message, kubelet's limit (pkg/kubelet/container/helpers.go).
const maxMessageFile = 4096

// messageFile is where an attempt's termination message lies on the node, below the pod's own folder.
func (p *Pods) messageFile(uid, container string, attempt uint32) string {
	return p.d.Store.Path("pods", uid, "messages", container, strconv.FormatUint(uint64(attempt), 10))
}

// makeMessageFile makes an empty file that a container may write whoever it runs as, and returns its path.
func makeMessageFile(path string) (string, error) {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, nil, 0o666)
	}
	if err == nil {
		err = os.Chmod(path, 0o666) // whatever the umask
	}
	if err != nil {
		return "", fmt.Errorf("make the file of the termination message: %w", err)
	}
	return path, nil
}

// readMessage is what a container left as its last words, one line of it, empty for none. The file was the container's to write: it is read
// only if it still is a regular one.
func readMessage(path string) string {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return ""
	}
	b, err := io.ReadAll(io.LimitReader(f, maxMessageFile))
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(b), string(utf8.RuneError))), " ")
	return clip(text)
}
