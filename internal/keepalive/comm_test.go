package keepalive

import (
	"os"
	"testing"
)

func TestTakeName(t *testing.T) {
	before, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile("/proc/self/comm", before[:len(before)-1], 0) })
	if err := TakeName(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("/proc/self/comm"); err != nil || string(got) != Comm+"\n" {
		t.Errorf("%q, %v", got, err)
	}
}
