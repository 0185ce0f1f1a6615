// Package volume makes, fills and removes what a pod's volumes need on the node, and says what of it a container mounts.
//
// Everything lies below the pod's own folder as under kubelet's (volumes/kubernetes.io~KIND/NAME, volume-subpaths/NAME/CONTAINER/INDEX);
// nothing is kept in memory but the calls in flight. Prepare, Mounts and Refresh look at what is there and do what is missing, so they may
// be called again at any time, after a crash at any step, after a boot, or after a tmpfs was lost.
//
// Order: Prepare before each container's start, then Mounts for that container; Refresh while it runs; Remove once no container is left.
//
// Blocking: paths of people's (hostPath) can hang in the kernel. Each is touched in one helper goroutine (Calls); when ctx ends the caller
// gets an error and the goroutine stays until the kernel lets it go. The pod's own folder is worked on by one call at a time.
//
// Ownership: what is not below the pod's folder is only ever made (DirectoryOrCreate, FileOrCreate, the folder of a subPath), never
// changed or removed. A container's processes may write into its volumes at any moment, so no path inside a volume is followed by name:
// subPath and removal go by openat2 and file descriptors (Linux 5.6 or later).
//
// As under kubelet, the size of an emptyDir on disk is not enforced, and a subPath of a configMap or secret keeps the content that it
// had when the container was made. Unlike there, a subPath that names no key of such a volume is an error, not a new empty folder.
package volume
