// Package nodes reads what Flannel's annotations say of the cluster's nodes, where a kubeconfig is configured.
//
// It is a further source for netcheck and nothing depends on it: the Lister asks in the background, Nodes answers from memory, and what is too
// old is an error, which makes that part Unknown and nothing else. The kubeconfig's content is in no error and no log line.
package nodes
