// Package downward tells a container about its own pod: the values of fieldRef and resourceFieldRef, for environment variables and for
// the files of downwardAPI volumes, as kubelet gives them (pkg/fieldpath, pkg/api/v1/resource, pkg/kubelet/kubelet_pods.go).
//
// Everything here is pure. A value that is not known yet is an error, never an empty string.
package downward
