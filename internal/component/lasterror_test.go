package component

import (
	"strings"
	"testing"
)

func TestLastError(t *testing.T) {
	const died = `E1128 01:33:51.136446     617 run.go:72] "command failed" err="failed to run Kubelet: open /dev/kmsg: no such file or directory"`
	for _, tt := range []struct{ name, log, want string }{
		{"nothing", "", ""},
		{"no error", "I1128 01:33:50.1     617 server.go:1] \"Starting\"\n", ""},
		{"the last", "E1128 01:33:50.918987     617 log.go:32] \"first\"\n" + died + "\nI1128 01:33:51.2     617 x.go:1] \"bye\"\n",
			`"command failed" err="failed to run Kubelet: open /dev/kmsg: no such file or directory"`},
		{"fatal", "F0101 00:00:00.000000       1 main.go:9] no such flag\n", "no such flag"},
		{"a flag", "Error: unknown flag: --cgroup-drivr\n", "Error: unknown flag: --cgroup-drivr"},
		{"a panic", "panic: runtime error: index out of range [3]\n\ngoroutine 1 [running]:\n", "panic: runtime error: index out of range [3]"},
		{"long", "F0101 00:00:00.000000       1 main.go:9] " + strings.Repeat("x", 999) + "\n", strings.Repeat("x", 400) + "..."},
	} {
		if got := LastError(tt.log); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
