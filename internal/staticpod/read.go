package staticpod

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/staticpod/manifest"
)

// reading is what the runtime has of one pod.
type reading struct {
	sandboxes  []Sandbox   // newest attempt first
	containers []Container // newest attempt first
	renamed    bool        // some of it has a name of the pod's that it would not get now: the node had another name
}

// list reads all that is ours, or all that is ours of one pod: two calls.
func (p *Pods) list(ctx context.Context, only map[string]string) (map[string]*reading, error) {
	ctx, cancel := context.WithTimeout(ctx, p.d.Config().RuntimeProbeTimeout)
	defer cancel()
	selector := map[string]string{labelInstance: p.d.Store.Instance()}
	for k, v := range only {
		selector[k] = v
	}
	type containers struct {
		r   *cri.ListContainersResponse
		err error
	}
	second := make(chan containers, 1)
	go func() {
		r, err := p.d.CRI.ListContainers(ctx, &cri.ListContainersRequest{Filter: &cri.ContainerFilter{LabelSelector: selector}})
		second <- containers{r, err}
	}()
	sr, err := p.d.CRI.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{Filter: &cri.PodSandboxFilter{LabelSelector: selector}})
	cr := <-second
	if err != nil {
		return nil, fmt.Errorf("list sandboxes: %w", err)
	}
	if cr.err != nil {
		return nil, fmt.Errorf("list containers: %w", cr.err)
	}
	out := map[string]*reading{}
	at := func(annotations, labels map[string]string) *reading {
		key := annotations[annotationKey]
		if key == "" { // ours by label alone: known to us by the runtime's name
			key = labels[labelPodNamespace] + "/" + labels[labelPodName]
		}
		if out[key] == nil {
			out[key] = &reading{}
		}
		_, name := splitKey(key)
		r := out[key]
		r.renamed = r.renamed || labels[labelPodName] != manifest.NodePodName(name, p.d.Config().NodeName)
		return r
	}
	for _, s := range sr.GetItems() {
		r := at(s.GetAnnotations(), s.GetLabels())
		r.sandboxes = append(r.sandboxes, Sandbox{
			ID: s.GetId(), Attempt: s.GetMetadata().GetAttempt(), UID: s.GetMetadata().GetUid(), Ready: s.GetState() == cri.PodSandboxState_SANDBOX_READY,
			Created: time.Unix(0, s.GetCreatedAt()), Hash: s.GetAnnotations()[annotationHash],
		})
	}
	for _, c := range cr.r.GetContainers() {
		r := at(c.GetAnnotations(), c.GetLabels())
		a := c.GetAnnotations()
		grace := 30 * time.Second
		if n, err := strconv.ParseInt(a[annotationGrace], 10, 64); err == nil {
			grace = graceOf(n)
		}
		role, order := roleFrom(a[annotationRole])
		r.containers = append(r.containers, Container{
			ID: c.GetId(), Name: c.GetMetadata().GetName(), Sandbox: c.GetPodSandboxId(), Attempt: c.GetMetadata().GetAttempt(), State: stateOf(c.GetState()),
			Hash: a[annotationHash], Image: c.GetImage().GetImage(), Created: time.Unix(0, c.GetCreatedAt()), Grace: grace, PreStop: a[annotationPreStop] != "", hook: a[annotationPreStop],
			Role: role, Order: order,
		})
	}
	for _, r := range out {
		slices.SortFunc(r.sandboxes, func(a, b Sandbox) int { return cmp.Or(cmp.Compare(b.Attempt, a.Attempt), b.Created.Compare(a.Created)) })
		slices.SortFunc(r.containers, newestFirst)
	}
	return out, nil
}

// newestFirst orders containers by their attempt: those of one name only grow, in whatever sandbox, while the clock may be set back.
func newestFirst(a, b Container) int {
	return cmp.Or(cmp.Compare(b.Attempt, a.Attempt), b.Created.Compare(a.Created))
}

func stateOf(s cri.ContainerState) ContainerState {
	switch s {
	case cri.ContainerState_CONTAINER_CREATED:
		return Created
	case cri.ContainerState_CONTAINER_RUNNING:
		return Running
	case cri.ContainerState_CONTAINER_EXITED:
		return Exited
	}
	return StateUnknown
}

// read is all the runtime has of one pod: what a full reading left, or two filtered lists; then the status of what changed.
func (p *Pods) read(ctx context.Context, x *pod) (*reading, error) {
	p.mu.Lock()
	r, renamed := x.last, x.renamed
	x.last = nil
	p.mu.Unlock()
	if r == nil {
		ns, name := splitKey(x.key)
		only := map[string]string{labelPodNamespace: ns, labelPodName: manifest.NodePodName(name, p.d.Config().NodeName)}
		if renamed {
			delete(only, labelPodName)
		}
		all, err := p.list(ctx, only)
		if err != nil {
			return nil, err
		}
		if r = all[x.key]; r == nil {
			r = &reading{}
		}
	}
	p.mu.Lock()
	x.renamed = r.renamed
	p.mu.Unlock()
	for i := range r.sandboxes {
		if err := p.address(ctx, x, &r.sandboxes[i]); err != nil {
			return nil, err
		}
	}
	for i := range r.containers {
		if err := p.detail(ctx, x, &r.containers[i]); err != nil {
			return nil, err
		}
	}
	p.forget(x, r)
	return r, nil
}

func splitKey(key string) (namespace, name string) {
	for i := range key {
		if key[i] == '/' {
			return key[:i], key[i+1:]
		}
	}
	return "", key
}

const hostNetwork = "host"

// address asks for a ready sandbox's address, once.
func (p *Pods) address(ctx context.Context, x *pod, s *Sandbox) error {
	if !s.Ready {
		return nil
	}
	p.mu.Lock()
	ip, known := x.addrs[s.ID]
	p.mu.Unlock()
	if !known {
		ctx, cancel := context.WithTimeout(ctx, p.d.Config().RuntimeProbeTimeout)
		defer cancel()
		r, err := p.d.CRI.PodSandboxStatus(ctx, &cri.PodSandboxStatusRequest{PodSandboxId: s.ID})
		if isNotFound(err) {
			s.Ready = false
			return nil
		}
		if err != nil {
			return fmt.Errorf("status of sandbox %.12s: %w", s.ID, err)
		}
		ip = addresses(r.GetStatus().GetNetwork())
		if r.GetStatus().GetLinux().GetNamespaces().GetOptions().GetNetwork() == cri.NamespaceMode_NODE {
			ip = hostNetwork
		}
		if ip != "" {
			p.mu.Lock()
			x.addrs[s.ID] = ip
			p.mu.Unlock()
		}
	}
	if s.HostNet = ip == hostNetwork; !s.HostNet && ip != "" {
		s.IPs = strings.Split(ip, ",")
		s.IP = s.IPs[0]
	}
	return nil
}

// addresses of a sandbox, the first one first, separated by commas.
func addresses(n *cri.PodSandboxNetworkStatus) string {
	all := []string{}
	if n.GetIp() != "" {
		all = append(all, n.GetIp())
	}
	for _, more := range n.GetAdditionalIps() {
		all = append(all, more.GetIp())
	}
	return strings.Join(all, ",")
}

// detail fills in what only a container's status tells, asked once a state.
func (p *Pods) detail(ctx context.Context, x *pod, c *Container) error {
	p.mu.Lock()
	known, ok := x.statuses[c.ID]
	p.own(x, c.ID)
	gone, lost := x.gone[c.ID], x.lost[c.ID]
	p.mu.Unlock()
	if !ok || known.State != c.State {
		if c.State == Created {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, p.d.Config().RuntimeProbeTimeout)
		defer cancel()
		r, err := p.d.CRI.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: c.ID, Verbose: c.State == Running})
		if isNotFound(err) {
			c.State, c.Missing = StateUnknown, true
			return nil
		}
		if err != nil {
			return fmt.Errorf("status of container %.12s: %w", c.ID, err)
		}
		known = detailOf(*c, r)
		p.mu.Lock()
		x.statuses[c.ID] = known
		p.mu.Unlock()
		if known.State == Running && known.PID > 0 && (p.d.SharesPIDs == nil || p.d.SharesPIDs()) {
			p.exits.watch(c.ID, known.PID, known.Started)
			p.watchOOM(c.ID, known.PID)
		}
		if known.State == Running && known.PID > 0 {
			p.logs.link(x, known)
		}
	}
	c.State, c.PID, c.Started, c.Finished = known.State, known.PID, known.Started, known.Finished
	c.ExitCode, c.Reason, c.Message, c.LogPath = known.ExitCode, known.Reason, known.Message, known.LogPath
	switch {
	case c.State != Running || gone.IsZero():
	case lost:
		c.deem(gone)
	default:
		c.Gone, c.GoneAt = true, gone
	}
	return nil
}

// lostExit is the exit code of a container whose process is proven to be gone and whose end the runtime missed for good: containerd's own
// for what ended while it was down.
const lostExit = 255

// deem takes a container for exited that the runtime calls running for ever, so that its pod goes on: nobody knows how it ended.
func (c *Container) deem(gone time.Time) {
	c.State, c.ExitCode, c.Finished = Exited, lostExit, gone
	c.Reason, c.Message = "ContainerStatusUnknown", "its process is gone, and the runtime goes on calling it running"
}

func detailOf(c Container, r *cri.ContainerStatusResponse) Container {
	s := r.GetStatus()
	c.State = stateOf(s.GetState())
	c.Started, c.Finished = unixNano(s.GetStartedAt()), unixNano(s.GetFinishedAt())
	c.ExitCode, c.Reason, c.Message, c.LogPath = int(s.GetExitCode()), s.GetReason(), clip(s.GetMessage()), s.GetLogPath()
	var info struct {
		PID int `json:"pid"`
	}
	if json.Unmarshal([]byte(r.GetInfo()["info"]), &info) == nil {
		c.PID = info.PID
	}
	return c
}

func unixNano(n int64) time.Time {
	if n <= 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

// forget drops what is known of containers and sandboxes that are no more.
func (p *Pods) forget(x *pod, r *reading) {
	p.mu.Lock()
	defer p.mu.Unlock()
	have := map[string]bool{}
	for _, c := range r.containers {
		have[c.ID] = true
		if x.statuses[c.ID].State == Exited { // the runtime's own word
			delete(x.gone, c.ID)
			delete(x.lost, c.ID)
		}
	}
	for _, s := range r.sandboxes {
		have[s.ID] = true
		p.own(x, s.ID)
	}
	for slot := range x.failures { // of what was to be taken away
		if (slot.Kind == "dead" || slot.Kind == "sandbox") && slot.Name != "" && !have[slot.Name] {
			delete(x.failures, slot)
		}
	}
	x.sandbox = ""
	if len(r.sandboxes) > 0 {
		x.sandbox = r.sandboxes[0].ID
	}
	for id := range x.statuses {
		if !have[id] {
			delete(x.statuses, id)
			delete(x.gone, id)
			delete(x.lost, id)
			p.forgetOOM(x, id)
		}
	}
	for id := range x.addrs {
		if !have[id] {
			delete(x.addrs, id)
		}
	}
	for id := range x.owned {
		if !have[id] {
			delete(x.owned, id)
			delete(p.owner, id)
		}
	}
}

// own notes whose a container or sandbox is. It needs the lock.
func (p *Pods) own(x *pod, id string) {
	p.owner[id] = x.key
	x.owned[id] = true
}
