// Package runtime finds the node's CRI runtime, keeps one connection to it, judges its health and passes on what it says of containers.
//
// Order: New, then Run of each of Tasks, then Close once nothing calls Runtime's clients any more. The look task finds the endpoint, dials it,
// looks and publishes; it is the only writer of this package's conditions and of View. The socket task and the connection itself
// only wake it. The event task passes hints on and decides nothing.
//
// Blocking: no method waits for the runtime, except for calls on the clients, which end with their own context. The clients never wait for a
// connection that is down: they answer Unavailable at once. Hooks are called from the package's goroutines, without a lock held,
// and must not block.
//
// Ownership: nothing here changes anything on the node. A hung runtime is looked at, never signalled.
package runtime
