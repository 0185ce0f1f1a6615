// Package kubelet finds out what kubelet there is on this node, by reading files alone.
//
// Find looks for every sign of a kubelet (binary, unit, configuration, credentials, the distributions that embed one), for a
// running process, and for the settings that decide what becomes of static pods. Settings are taken in kubelet's own order: flags of
// the running process, else those of its unit with drop-ins and environment files, then the drop-in folder of its
// configuration, its configuration file, its defaults.
//
// Find starts nothing, changes nothing, keeps nothing and reads a bounded amount. A file system that hangs makes it hang: callers
// that must not, run it beside themselves. Answers is the one thing here that talks to the network.
//
// Command lines may hold tokens: of a command line only the flags that are needed are kept, none of which is a secret.
package kubelet
