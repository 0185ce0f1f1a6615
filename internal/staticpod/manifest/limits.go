package manifest

import "strconv"

// The bounds of one manifest file. They hold before anything is expanded, so a hostile file costs bounded time and
// memory. A Kubernetes object is at most 1.5 MiB in etcd, so no real pod comes near them.
const (
	// MaxBytes is the size above which a kubelet does not read a manifest (pkg/kubelet/config, maxConfigLength).
	MaxBytes = 10 << 20
	// MaxDocuments is the number of YAML documents that one file may hold, empty ones included.
	MaxDocuments = 200

	maxDepth      = 100     // levels of nesting; a Pod's own types need about 15
	maxNodes      = 200_000 // upper bound of YAML nodes in one file, estimated before parsing
	maxAliasBytes = 1 << 20 // what aliases may add to a document when they are expanded
	maxProblems   = 100     // problems reported for a file; the last one says how many more there are
	maxCandidates = 500     // words that one is compared with to guess which was meant
	maxQuoted     = 80      // characters of a user's text repeated in a message
)

var tooDeep = "nested more than " + strconv.Itoa(maxDepth) + " levels deep"

const tooDeepFix = "a Pod needs about 15"
