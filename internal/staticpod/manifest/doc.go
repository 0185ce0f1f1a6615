// Package manifest turns the bytes of a static-pod manifest into pods, strictly, and into the ConfigMaps and Secrets that pods of the folder
// may read.
//
// The order is: split into documents, parse each with positions, check every key and value against the API's Go types
// and against the table of fields (fields.go), decode, default, validate, hash. Every fault is reported at once with
// its file, line, column and key; a document with a fault yields nothing, the other documents of the file still do.
//
// The package does no I/O, starts no goroutine, keeps no state and never blocks: everything is a function of its
// arguments. Time and memory are bounded for any input (limits.go). What it returns belongs to the caller.
//
// Messages may quote names, images and paths, never the value of an environment variable, a command or an argument, nor one of a ConfigMap
// or Secret: those may hold secrets.
package manifest
