package certs

import (
	"cmp"
	"time"

	"nodeagent/internal/health"
)

// Config is read once a look; every field may change while the agent runs.
type Config struct {
	Folders     []string      // of .crt, .key, .pub and .pem files; empty: /etc/kubernetes/pki, its etcd/, and /var/lib/kubelet/pki
	Kubeconfigs []string      // folders of *.conf, or files; empty: /etc/kubernetes
	Every       time.Duration // from look to look with no change; 0: 1 h
	Timeout     time.Duration // of a port; 0: 3 s
	Settle      time.Duration // from a change of the files to the look at the ports; 0: 2 min
	Renew       time.Duration // time left below which a certificate should be renewed; 0: 30 days
	Alarm       time.Duration // time left below which it is nearly too late; 0: 7 days
	RenewCA     time.Duration // the first of the two for a CA, whose renewal touches every node; 0: 180 days
}

func (c Config) filled() Config {
	if len(c.Folders) == 0 {
		c.Folders = []string{"/etc/kubernetes/pki", "/etc/kubernetes/pki/etcd", "/var/lib/kubelet/pki"}
	}
	if len(c.Kubeconfigs) == 0 {
		c.Kubeconfigs = []string{"/etc/kubernetes"}
	}
	c.Every = cmp.Or(c.Every, time.Hour)
	c.Timeout = cmp.Or(c.Timeout, 3*time.Second)
	c.Settle = cmp.Or(c.Settle, 2*time.Minute)
	c.Renew = cmp.Or(c.Renew, 30*24*time.Hour)
	c.Alarm = cmp.Or(c.Alarm, 7*24*time.Hour)
	c.RenewCA = cmp.Or(c.RenewCA, 180*24*time.Hour)
	return c
}

func (c Config) valid() time.Duration { return health.Validity(c.Every, maxPorts*c.Timeout) }

// maxPorts is how many ports are asked in one look.
const maxPorts = 16

// Port is one that this node serves with a certificate from a file.
type Port struct {
	Component string // kube-apiserver, etcd, etcd's peers, kubelet
	Address   string // host:port
	File      string // of its certificate
	Client    string // certificate that its clients show; empty: none is needed
	ClientKey string
	Path      string // asked for after the handshake, such as /health; empty: nothing is
}

// User is a process that reads its kubeconfig at its start alone.
type User struct {
	Component string
	File      string    // the kubeconfig
	Started   time.Time // the process
}

// Deps are the parts of the agent that certs uses. Each may be nil.
type Deps struct {
	Ports func() []Port
	Users func() []User
}
