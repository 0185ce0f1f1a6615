package machine

import (
	"fmt"
	"strings"

	"nodeagent/internal/health"
)

// parseSwaps reads the devices and files of /proc/swaps: a title, then a line each.
func parseSwaps(text string) []string {
	var out []string
	first := true
	for line := range strings.Lines(text) {
		if first {
			first = false
			continue
		}
		if f := strings.Fields(line); len(f) > 0 {
			out = append(out, f[0])
		}
	}
	return out
}

func judgeSwap(k Kubelet, swaps []string, err error) health.Finding {
	switch {
	case !k.Here:
		return health.Finding{Status: health.Absent, Message: "there is no kubelet on this node"}
	case !k.FailSwapOn:
		return health.Finding{Status: health.OK, Message: "kubelet allows swap"}
	case err != nil:
		return unknown(reasonNoSwaps, err)
	case len(swaps) == 0:
		return fine("no swap")
	}
	source := k.SwapSource
	if source == "" {
		source = "its default"
	}
	does := "kubelet does not start"
	if k.Running {
		does = "kubelet runs, but does not start again"
	}
	return failing(reasonSwapOn, fmt.Sprintf("%s: swap is on (%s), and failSwapOn is true, %s", does, strings.Join(swaps, ", "), source))
}
