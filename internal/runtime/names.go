package runtime

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/status"
)

// Reserved is a name that the runtime would not give to a new sandbox or container.
type Reserved struct {
	Name   string // as the runtime makes it of pod, namespace, uid and attempt
	Holder string // id of what has it; empty: not told
	At     time.Time
	listed bool // the holder was in a list since
}

// reservedFor is how long a refusal is believed where nothing else tells that it is over: who is refused asks again within minutes.
const reservedFor = 5 * time.Minute

var (
	// containerd, internal/registrar and cri/server.
	reservedContainerd = regexp.MustCompile(`failed to reserve (?:sandbox|container) name "([^"]+)": name "[^"]*" is reserved for "([^"]+)"`)
	// CRI-O, server/sandbox_run.go and container_create.go. Its id is that of the new one.
	reservedCRIO = regexp.MustCompile(`error reserving (?:pod|ctr) name ([^ ]+) for id [^ ]+: name is reserved`)
)

// parseReserved reads a runtime's refusal of a name.
func parseReserved(message string) (name, holder string, ok bool) {
	if m := reservedContainerd.FindStringSubmatch(message); m != nil {
		return m[1], m[2], true
	}
	if m := reservedCRIO.FindStringSubmatch(message); m != nil {
		return strings.Trim(m[1], `"`), "", true
	}
	return "", "", false
}

// names remembers refusals of names, of the agent's own calls.
type names struct {
	wake func()
	mu   sync.Mutex
	all  []Reserved
}

// maxNames is how many refused names are kept; the oldest go first.
const maxNames = 64

func (n *names) failed(method string, err error) {
	if method != "RunPodSandbox" && method != "CreateContainer" {
		return
	}
	name, holder, ok := parseReserved(status.Convert(err).Message())
	if !ok {
		return
	}
	n.mu.Lock()
	n.all = slices.DeleteFunc(n.all, func(r Reserved) bool { return r.Name == name })
	n.all = append(n.all, Reserved{Name: name, Holder: holder, At: time.Now()})
	if len(n.all) > maxNames {
		n.all = n.all[1:]
	}
	n.mu.Unlock()
	n.wake()
}

// now answers the refusals that stand. One is over once its holder, which was listed, no longer is, or when it is old. ids is what the
// runtime lists; nil: it was not asked.
func (n *names) now(ids map[string]string, at time.Time) []Reserved {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = slices.DeleteFunc(n.all, func(r Reserved) bool { return at.Sub(r.At) > reservedFor })
	if ids != nil {
		n.all = slices.DeleteFunc(n.all, func(r Reserved) bool { return r.listed && ids[r.Holder] == "" })
		for i := range n.all {
			n.all[i].listed = n.all[i].listed || ids[n.all[i].Holder] != ""
		}
	}
	return slices.Clone(n.all)
}
