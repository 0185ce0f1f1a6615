package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/health"
)

// judge decides what a look at the runtime means. valid is how long it may be believed.
func judge(s Seen, valid time.Duration) []health.Look {
	responsive := judgeResponsive(s)
	if s.Unneeded != "" && notThere(responsive.Reason) {
		responsive = notHere(s.Unneeded)
	}
	ready := judgeCondition(s, responsive, cri.RuntimeReady)
	network := judgeCondition(s, responsive, cri.NetworkReady)
	if network.Reason == reasonNotReady && noCNI(network.Message) {
		network.Reason = reasonNoCNI
		if s.CNI.Conf != "" {
			network.Reason = reasonCNIFolder
			network.Message = fmt.Sprintf("%s; yet %s is in %s: the runtime has lost sight of the folder", network.Message, s.CNI.Conf, s.CNI.Dir)
		}
	}
	look := func(c *health.Condition, f health.Finding) health.Look {
		return health.Look{Of: c, Valid: valid, Findings: []health.Finding{f}}
	}
	return []health.Look{look(RuntimeResponsive, responsive), look(RuntimeReady, ready), look(NetworkReady, network)}
}

// notThere tells whether a reason means that there is no CRI runtime on this node; one that is there and fails is another matter.
func notThere(r *health.Reason) bool {
	return r == reasonNotFound || r == reasonDockerOnly || r == reasonNoCRI
}

func notHere(unneeded string) health.Finding {
	return health.Finding{Status: health.Absent, Message: "no CRI runtime is here, and none is needed: " + unneeded}
}

func judgeResponsive(s Seen) health.Finding {
	failing := func(r *health.Reason, format string, args ...any) health.Finding {
		return health.Finding{Status: health.Failing, Reason: r, Message: fmt.Sprintf(format, args...), Evidence: evidence(s)}
	}
	e := s.Where.Endpoint
	switch {
	case s.Where.Invalid != nil:
		return failing(reasonInvalid, "%v", s.Where.Invalid)
	case s.Where.Docker:
		return failing(reasonDockerOnly, "only Docker's own socket was found, and it speaks no CRI")
	case e.Path == "":
		return failing(reasonNotFound, "no CRI runtime was found on this node")
	case s.Version.Err == nil && s.Status.Err == nil && s.Version.Resp == nil:
		return failing(reasonError, "the runtime was not asked")
	case s.Version.Err == nil && s.Status.Err == nil:
		v := s.Version.Resp
		return health.Finding{Status: health.OK, Message: fmt.Sprintf("%s %s at %s", v.GetRuntimeName(), v.GetRuntimeVersion(), e)}
	case errors.Is(s.Dial, syscall.ECONNREFUSED):
		return failing(reasonDead, "nothing listens on %s: connection refused", e)
	case errors.Is(s.Dial, syscall.ENOENT):
		return failing(reasonDead, "the runtime does not run: %s is not there", e)
	case errors.Is(s.Dial, os.ErrPermission):
		return failing(reasonDenied, "this process (uid %d) may not connect to %s", os.Geteuid(), e)
	case errors.Is(s.Dial, syscall.EAGAIN), errors.Is(s.Dial, os.ErrDeadlineExceeded), errors.Is(s.Dial, context.DeadlineExceeded):
		return failing(reasonHung, "%s takes no more connections at %s: its queue is full", s.Peer.or("the runtime"), e)
	case s.Dial != nil:
		return failing(reasonError, "connect to %s: %v", e, s.Dial)
	}
	return judgeErrors(s, failing)
}

// judgeErrors is for a runtime that took the connection and did not answer both calls well.
func judgeErrors(s Seen, failing func(*health.Reason, string, ...any) health.Finding) health.Finding {
	var calls []string
	worst := struct {
		rank int
		err  *status.Status
	}{rank: -1}
	for _, c := range []struct {
		name string
		err  error
	}{{"Version", s.Version.Err}, {"Status", s.Status.Err}} {
		if c.err == nil {
			continue
		}
		st := status.Convert(c.err)
		switch r := rank(st.Code()); {
		case r > worst.rank:
			worst.rank, worst.err, calls = r, st, []string{c.name}
		case r == worst.rank:
			calls = append(calls, c.name)
		}
	}
	what := strings.Join(calls, " and ")
	switch worst.err.Code() {
	case codes.DeadlineExceeded:
		return failing(reasonHung, "%s did not answer %s within %v", s.Peer.or("the runtime"), what, s.Timeout)
	case codes.PermissionDenied, codes.Unauthenticated:
		return failing(reasonDenied, "%s: %s", what, worst.err.Message())
	case codes.Unimplemented:
		return failing(reasonNoCRI, "%s answers at %s, but not CRI v1", s.Peer.or("somebody"), s.Where.Endpoint)
	default:
		return failing(reasonError, "%s: %s", what, worst.err.Message())
	}
}

// rank orders what two calls may say differently by how much it explains.
func rank(c codes.Code) int {
	switch c {
	case codes.DeadlineExceeded:
		return 3
	case codes.PermissionDenied, codes.Unauthenticated:
		return 2
	case codes.Unimplemented:
		return 1
	default:
		return 0
	}
}

// or names the process, with its state where that explains a silence, or says otherwise where it is not known.
func (p Process) or(otherwise string) string {
	if p.PID == 0 {
		return otherwise
	}
	name := fmt.Sprintf("%s (pid %d)", p.Name, p.PID)
	switch p.State { // S and R come and go from look to look and say nothing
	case 'T', 't':
		return name + ", which is stopped (state T),"
	case 'D':
		return name + ", which waits in the kernel (state D),"
	case 'Z':
		return name + ", which is a zombie,"
	}
	return name
}

func evidence(s Seen) []health.Pair {
	var out []health.Pair
	add := func(key, value string) {
		if value != "" {
			out = append(out, health.Pair{Key: key, Value: value})
		}
	}
	add("endpoint", s.Where.Endpoint.String())
	add("source", s.Where.Endpoint.Source)
	if s.Peer.PID != 0 {
		add("pid", fmt.Sprint(s.Peer.PID))
	}
	if s.Where.Endpoint.Path == "" {
		add("looked", strings.Join(s.Where.Tried, "; "))
	}
	if s.Where.NoCRI {
		add("containerd", "its configuration has the CRI plugin in disabled_plugins")
	}
	return out
}

// judgeCondition reads one of the runtime's own conditions. With a runtime that does not answer it is Unknown, whatever one call said.
func judgeCondition(s Seen, responsive health.Finding, name string) health.Finding {
	if responsive.Status == health.Absent {
		return responsive
	}
	if responsive.Status != health.OK {
		return health.Finding{Status: health.Unknown, Reason: reasonUnresponsive, Message: "the runtime could not be asked: " + responsive.Reason.Name}
	}
	for _, c := range s.Status.Resp.GetStatus().GetConditions() {
		switch {
		case c.GetType() != name:
		case c.GetStatus():
			return health.Finding{Status: health.OK}
		default:
			message := c.GetMessage()
			if c.GetReason() != "" {
				message = strings.TrimSuffix(c.GetReason()+": "+message, ": ")
			}
			return health.Finding{Status: health.Failing, Reason: reasonNotReady, Message: message}
		}
	}
	return health.Finding{Status: health.Unknown, Reason: reasonNotReported, Message: "the runtime's Status has no condition " + name}
}

// noCNI knows containerd's "cni plugin not initialized" and "cni config uninitialized" and CRI-O's "No CNI configuration file in ...".
func noCNI(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "cni") && (strings.Contains(m, "initialized") || strings.Contains(m, "no cni config"))
}
