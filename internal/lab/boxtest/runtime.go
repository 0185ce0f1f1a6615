package boxtest

import "embed"

//go:embed testdata
var files embed.FS

// Containerd lays a configuration of containerd that needs no registry: the pause image is that of ImageArchive.
func (n Node) Containerd() {
	n.T.Helper()
	n.lay("containerd.toml", "/etc/containerd/config.toml")
}

// CNI lays a network of one bridge for pods.
func (n Node) CNI() {
	n.T.Helper()
	n.lay("10-box.conflist", "/etc/cni/net.d/10-box.conflist")
}

// lay puts a file of this package into the box.
func (n Node) lay(name, to string) {
	n.T.Helper()
	content, err := files.ReadFile("testdata/" + name)
	if err != nil {
		n.T.Fatal(err)
	}
	n.Put(to, content, 0o644)
}
