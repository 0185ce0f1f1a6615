// Package folder reads the manifest folder of run mode and decides which pods are wanted, and which ConfigMaps and Secrets they may read.
//
// Read is the only I/O: one listing with the bytes of every file, each read whole or not at all. Next is pure: from what was
// accepted before and one listing it makes what is accepted now. Nothing it does stops a pod for a bad file, a half-written file,
// or a folder that went away. A file is accepted as a whole: with one fault in it its last good version counts for all that it holds,
// and for nothing that other files hold.
package folder
