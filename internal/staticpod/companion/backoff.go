package companion

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	// resetAfter is how long a container must have run for kubelet's back-off to begin anew (KEP-4603: 10 minutes).
	resetAfter = 10 * time.Minute
	// crashLoopAfter is the number of restarts, with no quiet time between, from which a pod counts as crash-looping: kubelet's
	// wait is 40 s there.
	crashLoopAfter = 3
	// steady is the least time that a container which came out of a crash loop must run to be out of it.
	steady = time.Minute
)

// delay is kubelet's wait before it restarts a container that ended for the level-th time since its back-off began, counted from
// 0: the first restart is at once, then 10 s x2 to 300 s.
func delay(level int, initial, limit time.Duration) time.Duration {
	if level <= 0 {
		return 0
	}
	d := initial
	for range level - 1 {
		if d >= limit {
			break
		}
		d *= 2
	}
	return min(d, limit)
}

// restarts tells whether a kubelet starts a container again that ended with the code. Init containers that ended well are not
// asked for.
func restarts(pod *corev1.PodSpec, c *corev1.Container, init bool, code int) bool {
	if pod == nil || c == nil {
		return true // not known: as the default policy has it
	}
	policy := pod.RestartPolicy
	if c.RestartPolicy != nil {
		policy = corev1.RestartPolicy(*c.RestartPolicy)
		if init && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			return true
		}
	}
	for _, r := range c.RestartPolicyRules {
		if r.ExitCodes == nil {
			continue
		}
		in := false
		for _, v := range r.ExitCodes.Values {
			in = in || int(v) == code
		}
		if in == (r.ExitCodes.Operator == corev1.ContainerRestartRuleOnExitCodesOpIn) {
			return true
		}
	}
	switch policy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return code != 0
	}
	return true
}

// sidecar tells a restartable init container.
func sidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}
